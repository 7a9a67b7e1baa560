import type { SectionResult, SectionResults } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { type Applier, applyAll } from './applier.ts';
import { brief } from './brief.ts';
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
  /** In the middle of a round: see `applyAll`. */
  readonly onSection?: (holding: Holding, section: string, result: SectionResult) => void;
  /** After each round. */
  readonly onResults?: (holding: Holding, results: SectionResults) => void;
  readonly onDefect?: (error: unknown) => void;
};

/** Applies what holds, one after the other, and the newest again until every section of it is applied. */
export function createApplying(options: ApplyingOptions): Applying {
  const { appliers, clock, onSection, onResults, onDefect } = options;
  let newest: Holding | undefined;
  let stopped = false;
  let waitMs = APPLY_AGAIN_MS;
  /** Something is to be applied that no round has begun with. */
  let isDue = false;
  let round: Promise<void> | undefined;
  let cancelRetry = () => {};

  /** However often it is asked for while a round goes on: one more with the newest is enough. */
  function start(): void {
    cancelRetry();
    isDue = true;
    round ??= Promise.resolve().then(applyWhileDue);
  }

  async function applyWhileDue(): Promise<void> {
    while (isDue) {
      isDue = false;
      await applyNewest();
    }
    round = undefined;
  }

  async function applyNewest(): Promise<void> {
    if (newest === undefined || stopped) return;
    const holding = newest;
    const results = await resultsOf(holding);
    try {
      onResults?.(holding, results);
    } catch (error) {
      onDefect?.(error);
    }
    const failed = Object.values(results).some(({ result }) => result === 'failed');
    cancelRetry();
    if (!failed || stopped || isDue) return;
    cancelRetry = clock.after(waitMs, start);
    waitMs = Math.min(waitMs * 2, APPLY_AGAIN_MAX_MS);
  }

  /** Whatever an applier, or who makes them, does: the device goes on, and tells. */
  async function resultsOf(holding: Holding): Promise<SectionResults> {
    try {
      return await applyAll(holding, appliers(holding), (section, result) => onSection?.(holding, section, result));
    } catch (error) {
      onDefect?.(error);
      return { files: { result: 'failed', why: brief(error instanceof Error ? error.message : 'unknown') } };
    }
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
