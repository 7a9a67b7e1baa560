import type { DeviceBundle, EffectiveSettings, SectionResult, SectionResults } from '@thinman/protocol';
import { type Refused, startTrial, type TrialEffect, type TrialEvent, trialStep } from '../core/trial.ts';
import type { Clock } from '../ports.ts';
import { brief } from './brief.ts';
import { type Holding, sectionOf } from './sections.ts';

/** A switch with 802.1X, DHCP and a Wi-Fi that joins anew: 20 to 30 s; twice that. */
export const NETWORK_TRIAL_MS = 60_000;

/** The section that is tried. */
export const TRIED = 'network';
/** No settings at all: as the device came. */
export const NO_NETWORK_SETTINGS = '{}';

/** What must outlive a start. The settings themselves are their own digest: sorted JSON. */
export type TrialRecord = { readonly confirmed: string; readonly refused: Refused | null };

export type NetworkTrialOptions = {
  readonly clock: Clock;
  readonly record: TrialRecord | undefined;
  readonly save: (record: TrialRecord) => void;
  /** Asks all servers over fresh connections whether any of them answers. Never rejects. */
  readonly anyServerAnswers: () => Promise<boolean>;
  /** What holds has changed: it is to be applied. */
  readonly onForce: () => void;
  /** It is decided. */
  readonly onDecided: () => void;
};

export type NetworkTrial = ReturnType<typeof createNetworkTrial>;

/** Tries network settings before they stay (`core/trial.ts`). */
export function createNetworkTrial(options: NetworkTrialOptions) {
  const { clock, save, anyServerAnswers, onForce, onDecided } = options;
  const { confirmed, refused } = readable(options.record) ?? { confirmed: NO_NETWORK_SETTINGS, refused: null };
  let state = startTrial(confirmed, refused);
  let trialMs = NETWORK_TRIAL_MS;
  let cancelCheck = () => {};
  let isStopped = false;
  let notApplied = '';
  /** Of the newest check: an answer to an older one says nothing. */
  let checks = 0;

  function take(event: TrialEvent): void {
    if (isStopped) return;
    const step = trialStep(state, event, clock.monotonicMs(), trialMs);
    state = step.state;
    for (const effect of step.effects) carryOut(effect);
  }

  function carryOut(effect: TrialEffect): void {
    switch (effect.kind) {
      case 'check':
        checkLater(effect.afterMs);
        return;
      case 'apply':
        checks++;
        cancelCheck();
        onForce();
        return;
      case 'save':
        save({ confirmed: state.confirmed, refused: state.refused });
        return;
      case 'tell':
        onDecided();
    }
  }

  function checkLater(afterMs: number): void {
    cancelCheck();
    const check = ++checks;
    const ask = () => {
      anyServerAnswers().then(answers => {
        if (check === checks) take({ kind: answers ? 'answered' : 'silent' });
      });
    };
    if (afterMs === 0) ask();
    else cancelCheck = clock.after(afterMs, ask);
  }

  return {
    /** The newest policy of the device. */
    take({ settings, timings }: DeviceBundle): void {
      trialMs = timings.networkTrialMs ?? NETWORK_TRIAL_MS;
      const digest = networkOf(settings);
      if (digest !== state.wanted) take({ kind: 'given', digest });
    },
    /** The bundle with the network settings that hold now. */
    inForce(bundle: DeviceBundle): DeviceBundle {
      if (networkOf(bundle.settings) === state.inForce) return bundle;
      const others = Object.entries(bundle.settings).filter(([key]) => sectionOf(key) !== TRIED);
      return { ...bundle, settings: { ...Object.fromEntries(others), ...JSON.parse(state.inForce) } };
    },
    /** A round of appliers is over. */
    applied({ device }: Holding, results: SectionResults): void {
      const outcome: SectionResult = results[TRIED] ?? results.files ?? { result: 'applied' };
      const digest = networkOf(device.settings);
      if (outcome.result === 'failed' && digest === state.wanted) notApplied = outcome.why;
      take({ kind: 'applied', digest, ok: outcome.result !== 'failed' });
    },
    /** It is not known yet what becomes of the newest settings. */
    isUnderWay: () => state.phase.kind !== 'settled',
    /** Why the newest settings do not hold; undefined: they do. */
    failure(): SectionResult | undefined {
      if (state.refused === null || state.refused.digest !== state.wanted || state.inForce === state.wanted) return;
      const why =
        state.refused.why === 'no_answer'
          ? 'no server answered with these network settings: those before them hold again'
          : `${notApplied === '' ? 'they could not be applied' : notApplied}; the settings before them hold again`;
      return { result: 'failed', why: brief(why) };
    },
    stop(): void {
      isStopped = true;
      cancelCheck();
    },
  };
}

/** Undefined where somebody has edited the file: then nothing is confirmed. */
function readable(record: TrialRecord | undefined): TrialRecord | undefined {
  try {
    const settings: unknown = JSON.parse(record?.confirmed ?? '');
    return typeof settings === 'object' && settings !== null ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Network settings as sorted JSON. */
function networkOf(settings: EffectiveSettings): string {
  const entries = Object.entries(settings).filter(([key]) => sectionOf(key) === TRIED);
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}
