import { type ErrorCode, type Problem, type ProblemExtras, problem } from '@thinman/protocol';
import { Overloaded } from '../identity/errors.ts';
import { DatabaseUnavailable } from '../record/errors.ts';

/** What a request comes to: its answer, or the problem document. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refused(
  code: ErrorCode,
  extras: ProblemExtras = {},
): { readonly ok: false; readonly problem: Problem } {
  return { ok: false, problem: problem(code, extras) };
}

/** What is expected to go wrong below (database away, too many hashes waiting) as a refusal; defects go on as they are. */
export async function refusingTrouble<T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatabaseUnavailable) {
      return refused('database_unavailable', { detail: `The database cannot be used now: ${error.message}` });
    }
    if (error instanceof Overloaded) return refused('overloaded', { retryAfterMs: error.retryAfterMs });
    throw error;
  }
}
