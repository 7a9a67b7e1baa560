import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import type { Clock } from '../../packages/agent/src/ports.ts';

/**
 * The time of this machine for thousands of devices in one process. Where that is late, Node runs the timers that are over before it
 * looks at what has come in meanwhile: each device would give up on answers that are there. Here a timer lets those be read first.
 */
export const patientClock: Clock = {
  ...systemClock,
  after(delayMs, action) {
    let late: NodeJS.Immediate | undefined;
    const cancel = systemClock.after(delayMs, () => {
      late = setImmediate(action);
    });
    return () => {
      cancel();
      clearImmediate(late);
    };
  },
};
