import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import type { Clock } from '../../packages/agent/src/ports.ts';

/** Of the timers that are over, between two looks at what has come in: each may begin a handshake, and they take a millisecond. */
const MOST_A_TURN = 16;

type Due = { action: (() => void) | undefined };

/** Timers that are over, in their order. */
const due: Due[] = [];
let isGoing = false;

/**
 * The time of this machine for thousands of devices in one process. Where that is late, Node runs the timers that are over before it
 * looks at what has come in meanwhile: each device would give up on answers that are there, and devices that had chosen moments far
 * apart would come together. Here what is there is read first, and of the timers a few at a time are run.
 */
export const patientClock: Clock = {
  ...systemClock,
  after(delayMs, action) {
    const timer: Due = { action };
    const cancel = systemClock.after(delayMs, () => {
      due.push(timer);
      if (!isGoing) setImmediate(runSome);
      isGoing = true;
    });
    return () => {
      cancel();
      timer.action = undefined;
    };
  },
};

function runSome(): void {
  const some = due.splice(0, MOST_A_TURN);
  isGoing = due.length > 0;
  if (isGoing) setImmediate(runSome);
  for (const { action } of some) action?.();
}
