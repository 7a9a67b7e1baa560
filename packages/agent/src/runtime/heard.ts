import { type Problem, parseValue, SaltChanged } from '@thinman/protocol';
import type { Heard, ProblemFacts } from '../core/event.ts';
import type { Answer } from '../ports.ts';

/** What the core needs of an answer; what the answer carries stays with the runner. */
export function heard<T, F>(answer: Answer<T>, facts: (value: T) => F | undefined): Heard<F> {
  switch (answer.kind) {
    case 'ok': {
      const value = facts(answer.value);
      if (value !== undefined) return { kind: 'ok', value };
      return { kind: 'failed', reason: 'not_our_schema', detail: 'the answer does not fit the question' };
    }
    case 'problem':
      return { kind: 'problem', problem: problemFacts(answer.problem, answer.body) };
    case 'failed':
      return { kind: 'failed', reason: answer.reason, detail: answer.detail };
  }
}

export function problemFacts(problem: Problem, body?: unknown): ProblemFacts {
  const { code, status, subject, retryAfterMs, serverTime, userId } = problem;
  const changed = code === 'salt_changed' ? parseValue(SaltChanged, body) : undefined;
  return {
    code,
    status,
    subject,
    retryAfterMs,
    serverTime,
    userId,
    now: changed?.ok === true ? changed.value.now : undefined,
  };
}
