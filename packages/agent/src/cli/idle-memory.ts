import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * After the last thing that happened. Long after a login and what follows it (bundle, events, the channel's hello), so that
 * nobody waits for it: collecting takes some 50 ms.
 */
const IDLE_AFTER_MS = 10_000;
/** A change of state leaves some 0.1 MB behind, a login a few: below this a collection costs more than it brings. */
const WORTH_BYTES = 1_500_000;

type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** What it needs of V8. */
export type Heap = {
  /** Of objects, dead ones among them. */
  usedBytes(): number;
  collect(): void;
};

/**
 * Gives memory back to the system when nothing has happened for a while: V8 collects when it runs short, which an idle process
 * never does, and keeps what a start and a login once needed (7 of 80 MB). Where next to nothing has come since the last time, as after a
 * word that a server is degraded, it is left alone: each collection is as much work as an hour of pings. `onChange` calls its listener when
 * something happens.
 */
export function releaseMemoryWhenIdle(onChange: (listener: () => void) => () => void, heap: Heap = ofV8()): () => void {
  let leftBytes = 0;
  const release = () => {
    if (heap.usedBytes() < leftBytes + WORTH_BYTES) return;
    heap.collect();
    leftBytes = heap.usedBytes();
  };
  let timer: NodeJS.Timeout;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(release, IDLE_AFTER_MS);
    timer.unref();
  };
  wait();
  const forget = onChange(wait);
  return () => {
    forget();
    clearTimeout(timer);
  };
}

function ofV8(): Heap {
  setFlagsFromString('--expose-gc');
  const collect: Collect = runInNewContext('gc');
  return {
    usedBytes: () => getHeapStatistics().used_heap_size,
    collect: () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  };
}
