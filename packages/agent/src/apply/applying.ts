import type { DeviceBundle } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { type Applier, applyBundle } from './applier.ts';

/** What failed is tried again after this long, as the store is: a disk that was full may have room again. */
const APPLY_AGAIN_MS = 10_000;

export type Applying = {
  /** The newest bundle takes the place of those before it. */
  take(bundle: DeviceBundle): void;
  /** Resolves when nothing is being applied any more. */
  stop(): Promise<void>;
};

/** Applies device bundles one after the other, and the newest one again until every section of it is applied. */
export function createApplying(appliers: readonly Applier[], clock: Pick<Clock, 'after'>): Applying {
  let newest: DeviceBundle | undefined;
  let stopped = false;
  let round: Promise<void> = Promise.resolve();
  let cancelRetry = () => {};

  function start(): void {
    cancelRetry();
    round = round.then(applyNewest);
  }

  async function applyNewest(): Promise<void> {
    if (newest === undefined || stopped) return;
    const report = await applyBundle(newest, appliers);
    const failed = Object.values(report).some(({ outcome }) => outcome === 'failed');
    cancelRetry();
    if (failed && !stopped) cancelRetry = clock.after(APPLY_AGAIN_MS, start);
  }

  return {
    take(bundle) {
      newest = bundle;
      start();
    },
    async stop() {
      stopped = true;
      cancelRetry();
      await round;
    },
  };
}
