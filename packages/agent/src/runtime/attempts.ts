import type { StatementServer } from '@thinman/protocol';
import type { Answer, Clock, FailureReason } from '../ports.ts';
import type { Attempts } from './context.ts';

/** Ends a call that has no deadline of its own; well above every other one. */
const LONGEST_CALL_MS = 30_000;

export function createAttempts(
  clock: Clock,
  serverOf: (name: string) => StatementServer | undefined,
  defect: (error: unknown) => void,
): Attempts {
  const running = new Map<number, () => void>();
  const parcels = new Map<number, unknown>();

  async function settled<T>(
    attempt: number,
    call: (signal: AbortSignal) => Promise<Answer<T>>,
    deadlineMs: number,
  ): Promise<Answer<T> | undefined> {
    const controller = new AbortController();
    const startedMs = clock.monotonicMs();
    const failed = (reason: FailureReason, detail: string): Answer<T> => {
      return { kind: 'failed', reason, detail, elapsedMs: clock.monotonicMs() - startedMs };
    };
    return new Promise<Answer<T> | undefined>(resolve => {
      const end = (answer: Answer<T> | undefined) => {
        if (!running.delete(attempt)) return;
        stopTimer();
        resolve(answer);
        controller.abort();
      };
      const stopTimer = clock.after(deadlineMs, () => {
        end(failed('timeout', `no answer in ${Math.round(deadlineMs)} ms`));
      });
      running.set(attempt, () => end(undefined));
      call(controller.signal).then(end, error => {
        // A defect here says nothing about the server: it is told, and what waits goes on.
        defect(error);
        end(failed('aborted', 'defect'));
      });
    });
  }

  return {
    run(attempt, server, deadlineMs, call, then) {
      const target = serverOf(server);
      const making =
        target === undefined
          ? Promise.resolve({ kind: 'failed', reason: 'not_in_statement', detail: server, elapsedMs: 0 } as const)
          : settled(attempt, signal => call(target, signal), deadlineMs ?? LONGEST_CALL_MS);
      making
        .then(answer => {
          if (answer !== undefined) then(answer);
        })
        .catch(defect);
    },
    keep(attempt, parcel) {
      parcels.set(attempt, parcel);
    },
    take(attempt) {
      const parcel = parcels.get(attempt);
      parcels.delete(attempt);
      return parcel;
    },
    cancel(attempt) {
      running.get(attempt)?.();
      parcels.delete(attempt);
    },
    cancelAll() {
      for (const cancel of [...running.values()]) cancel();
      parcels.clear();
    },
  };
}
