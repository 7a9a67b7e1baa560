import type { Clock } from '../../packages/server/src/ports.ts';

/** 2026-11-22, the date of the first protocol version: far from 0 and from every border. */
const START_MS = Date.UTC(2026, 10, 22);

export type ManualClock = Clock & {
  /** Moves both clocks on, and runs what falls due on the way, in order. Lets promises settle in between. */
  advance(byMs: number): Promise<void>;
  /** Sets the wall clock alone, as an administrator or NTP does. */
  setNow(nowMs: number): void;
  /** How many actions wait. */
  waiting(): number;
};

export function manualClock(): ManualClock {
  let wallMs = START_MS;
  let monotonicMs = 0;
  let due: { readonly atMs: number; readonly action: () => void }[] = [];

  const settle = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)));
  const move = (toMs: number) => {
    wallMs += toMs - monotonicMs;
    monotonicMs = toMs;
  };

  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    after(delayMs, action) {
      const entry = { atMs: monotonicMs + delayMs, action };
      due.push(entry);
      return () => {
        due = due.filter(other => other !== entry);
      };
    },
    async advance(byMs) {
      const endMs = monotonicMs + byMs;
      await settle();
      for (;;) {
        const [next] = due.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        due = due.filter(other => other !== next);
        move(next.atMs);
        next.action();
        await settle();
      }
      move(endMs);
    },
    setNow(nowMs) {
      wallMs = nowMs;
    },
    waiting: () => due.length,
  };
}
