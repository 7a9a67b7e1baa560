import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { FieldProblem } from './errors.ts';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: FieldProblem[] };

/** Mistakes reported for one value; the rest are cut, so that a hostile body cannot make a large answer. */
const MAX_PROBLEMS = 20;

/** Nesting of JSON that is read at all; deeper input is a mistake or an attack. */
const MAX_DEPTH = 32;

type Checker = { Check(value: unknown): boolean; Errors(value: unknown): { instancePath: string; message: string }[] };
const compiled = new WeakMap<TSchema, Checker>();

function checker(schema: TSchema): Checker {
  let found = compiled.get(schema);
  if (found === undefined) {
    found = Compile(schema) as Checker;
    compiled.set(schema, found);
  }
  return found;
}

function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return depth;
  if (depth > MAX_DEPTH) return depth;
  let deepest = depth;
  for (const inner of Object.values(value)) deepest = Math.max(deepest, depthOf(inner, depth + 1));
  return deepest;
}

function explain(schema: TSchema, value: unknown): FieldProblem[] {
  const seen = new Set<string>();
  const problems: FieldProblem[] = [];
  for (const error of checker(schema).Errors(value)) {
    const field = error.instancePath.slice(1).replaceAll('/', '.');
    const message = error.message === 'schema is false' ? 'is not a known field' : error.message;
    if (message === 'must not have additional properties' || seen.has(field + message)) continue;
    seen.add(field + message);
    problems.push({ field, message });
    if (problems.length === MAX_PROBLEMS) break;
  }
  return problems.length > 0 ? problems : [{ field: '', message: 'does not have the right form' }];
}

/** The one way in for values from outside: nothing is coerced, nothing is stripped. */
export function parseValue<S extends TSchema>(schema: S, value: unknown): Parsed<Static<S>> {
  if (depthOf(value) > MAX_DEPTH) return { ok: false, problems: [{ field: '', message: 'is nested too deeply' }] };
  if (checker(schema).Check(value)) return { ok: true, value: value as Static<S> };
  return { ok: false, problems: explain(schema, value) };
}

/** Parses JSON text (or bytes) from outside. `maxChars` bounds the work before anything is parsed. */
export function parseJson<S extends TSchema>(schema: S, text: string, maxChars: number): Parsed<Static<S>> {
  if (text.length > maxChars)
    return { ok: false, problems: [{ field: '', message: `is larger than ${maxChars} characters` }] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problems: [{ field: '', message: 'is not JSON' }] };
  }
  return parseValue(schema, value);
}

/** One line for people from a list of mistakes. */
export function describeProblems(problems: readonly FieldProblem[]): string {
  return problems.map(p => (p.field === '' ? p.message : `${p.field}: ${p.message}`)).join('; ');
}
