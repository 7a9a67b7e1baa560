import { Overloaded } from './errors.ts';

/** Hashes at once: half of Node's thread pool of four, so that files and DNS go on meanwhile. */
const CONCURRENT_HASHES = 2;
/** Log-ins that may wait: 32 × 32 ms (19 MiB, t=2) over two is half a second. */
const MAX_WAITING = 32;
/** When the queue is full, all of it is done by then. */
const RETRY_AFTER_MS = 1_000;

export type HashQueue = {
  /** For whoever comes to the door: at most MAX_WAITING wait, the next one is told to come back (throws Overloaded). */
  bounded<T>(work: () => Promise<T>): Promise<T>;
  /** For administrators at work (an `apply` of a thousand users): waits as long as it takes, behind all of the door's. */
  patient<T>(work: () => Promise<T>): Promise<T>;
};

/** Stands before every Argon2id on a server. */
export function createHashQueue(concurrent = CONCURRENT_HASHES, maxWaiting = MAX_WAITING): HashQueue {
  const door: (() => void)[] = [];
  const atWork: (() => void)[] = [];
  let running = 0;

  const next = () => {
    while (running < concurrent) {
      const start = door.shift() ?? atWork.shift();
      if (start === undefined) return;
      running += 1;
      start();
    }
  };
  const enqueue = <T>(lane: (() => void)[], work: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      lane.push(() => {
        work()
          .then(resolve, reject)
          .finally(() => {
            running -= 1;
            next();
          });
      });
      next();
    });

  return {
    async bounded(work) {
      if (running >= concurrent && door.length >= maxWaiting) throw new Overloaded(RETRY_AFTER_MS);
      return enqueue(door, work);
    },
    patient: work => enqueue(atWork, work),
  };
}
