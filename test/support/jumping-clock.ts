import type { Clock } from '../../packages/server/src/ports.ts';

/** Timers of this length and more wait for the test: what is due in months, and what looks for it now and then. */
const PATIENT_FROM_MS = 60_000;

export type JumpingClock = Clock & {
  /** Sets the wall clock on. TLS goes by the machine's own. */
  jump(byMs: number): void;
  /** Both clocks are later than they were; what would have run meanwhile has not. */
  pass(byMs: number): void;
  /** Runs what waits, however long it still would. */
  ring(): void;
};

/** The machine's clock, which a test may set on; short timers run by themselves, long ones when it rings. */
export function jumpingClock(): JumpingClock {
  let aheadMs = 0;
  let passedMs = 0;
  const waiting = new Set<() => void>();
  return {
    nowMs: () => Date.now() + aheadMs + passedMs,
    monotonicMs: () => performance.now() + passedMs,
    after(delayMs, action) {
      if (delayMs >= PATIENT_FROM_MS) {
        waiting.add(action);
        return () => waiting.delete(action);
      }
      const timer = setTimeout(action, delayMs);
      return () => clearTimeout(timer);
    },
    jump(byMs) {
      aheadMs += byMs;
    },
    pass(byMs) {
      passedMs += byMs;
    },
    ring() {
      const due = [...waiting];
      waiting.clear();
      for (const action of due) action();
    },
  };
}
