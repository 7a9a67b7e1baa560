import type { RecordedEvent } from '@thinman/protocol';
import type { Delivery } from '../journal/drain.ts';
import type { Clock } from '../ports.ts';

/** Half of an agent's attempt (4 s): where this server cannot, another one still has time to answer. */
const DIRECT_DEADLINE_MS = 2_000;

type Waiting = {
  readonly events: readonly RecordedEvent[];
  readonly settle: (stored: boolean) => void;
};

export type DirectPath = {
  /** Whether these events are in the source of record. After `false` they may be there all the same. Never rejects. */
  store(events: readonly RecordedEvent[]): Promise<boolean>;
};

/**
 * The way around a journal that takes nothing: straight into the source of record, before anything is answered. What comes
 * while one delivery is under way goes together with the next.
 */
export function createDirectPath(
  deliver: (events: readonly RecordedEvent[]) => Promise<Delivery>,
  clock: Pick<Clock, 'after'>,
): DirectPath {
  let waiting: Waiting[] = [];
  let busy = false;

  async function run(): Promise<void> {
    busy = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      const delivery = await deliver(group.flatMap(({ events }) => events)).catch((): Delivery => 'later');
      for (const { settle } of group) settle(delivery === 'stored');
    }
    busy = false;
  }

  return {
    store(events) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const cancel = clock.after(DIRECT_DEADLINE_MS, () => {
        // What nobody waits for any more need not go out.
        waiting = waiting.filter(({ settle }) => settle !== end);
        resolve(false);
      });
      const end = (stored: boolean) => {
        cancel();
        resolve(stored);
      };
      waiting.push({ events, settle: end });
      if (!busy) void run();
      return promise;
    },
  };
}
