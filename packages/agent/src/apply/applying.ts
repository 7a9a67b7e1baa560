import type { SectionResults } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { type Applier, applyAll } from './applier.ts';
import type { Holding } from './sections.ts';

/** What failed is tried again after this long, as the store is: a disk that was full may have room again … */
const APPLY_AGAIN_MS = 10_000;
/** … and at the latest after this long: what fails for ever costs next to nothing. */
const APPLY_AGAIN_MAX_MS = 600_000;

export type Applying = {
  /** The newest takes the place of those before it. */
  take(holding: Holding): void;
  /** Resolves when nothing is being applied any more. */
  stop(): Promise<void>;
};

export type ApplyingOptions = {
  /** Asked anew for each round: what is to be applied may need others than before. */
  readonly appliers: (holding: Holding) => readonly Applier[];
  readonly clock: Pick<Clock, 'after'>;
  /** A round that could not even begin; it is tried again like one that failed. */
  readonly onDefect: (error: unknown) => void;
  /** After each round. */
  readonly onResults?: (holding: Holding, results: SectionResults) => void;
};

/** Applies what holds, one after the other, and the newest again until every section of it is applied. */
export function createApplying({ appliers, clock, onDefect, onResults }: ApplyingOptions): Applying {
  let newest: Holding | undefined;
  let stopped = false;
  let waitMs = APPLY_AGAIN_MS;
  let round: Promise<void> = Promise.resolve();
  let cancelRetry = () => {};

  function start(): void {
    cancelRetry();
    round = round.then(applyNewest).catch((error: unknown) => {
      onDefect(error);
      tryAgain();
    });
  }

  async function applyNewest(): Promise<void> {
    if (newest === undefined || stopped) return;
    const holding = newest;
    const results = await applyAll(holding, appliers(holding));
    onResults?.(holding, results);
    const failed = Object.values(results).some(({ result }) => result === 'failed');
    if (failed) tryAgain();
    else cancelRetry();
  }

  function tryAgain(): void {
    cancelRetry();
    if (stopped) return;
    cancelRetry = clock.after(waitMs, start);
    waitMs = Math.min(waitMs * 2, APPLY_AGAIN_MAX_MS);
  }

  return {
    take(holding) {
      newest = holding;
      waitMs = APPLY_AGAIN_MS;
      start();
    },
    async stop() {
      stopped = true;
      cancelRetry();
      await round;
    },
  };
}
