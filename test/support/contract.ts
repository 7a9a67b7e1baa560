import { describeProblems, parseValue } from '@thinman/protocol';
import type { Static, TSchema } from 'typebox';

/** What a command printed with `--json`, held against the contract's schema. */
export function asPromised<S extends TSchema>(schema: S, printed: string): Static<S> {
  const parsed = parseValue(schema, JSON.parse(printed));
  if (!parsed.ok) throw new Error(`not as the contract says: ${describeProblems(parsed.problems)} in ${printed}`);
  return parsed.value;
}
