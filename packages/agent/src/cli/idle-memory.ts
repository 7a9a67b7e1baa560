import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * After the last thing that happened. Long after a login and what follows it (bundle, events, the channel's hello), so that
 * nobody waits for it: collecting takes some 50 ms.
 */
const IDLE_AFTER_MS = 10_000;

type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Gives memory back to the system when nothing has happened for a while: V8 collects when it runs short, which an idle process
 * never does, and keeps what a start and a login once needed (7 of 80 MB). `onChange` calls its listener when something happens.
 */
export function releaseMemoryWhenIdle(onChange: (listener: () => void) => () => void): () => void {
  setFlagsFromString('--expose-gc');
  const collect: Collect = runInNewContext('gc');
  const timer = setTimeout(() => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }), IDLE_AFTER_MS);
  timer.unref();
  const forget = onChange(() => timer.refresh());
  return () => {
    forget();
    clearTimeout(timer);
  };
}
