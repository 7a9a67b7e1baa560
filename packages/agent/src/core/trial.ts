/**
 * Settings that could cut the device off, tried before they stay. They are tried only while a server answers, and taken back
 * only if none answers with them and one does without: what fails with both is not their fault. All times: monotonic, ms.
 *
 * Settings are named by a digest; the runner knows what is behind it.
 */
export type TrialState = {
  /** With which a server has answered: what holds after a start, and after a trial that failed. On disk. */
  readonly confirmed: string;
  /** What holds now. */
  readonly inForce: string;
  /** What the newest policy asks for. */
  readonly wanted: string;
  /** Taken back, and not tried again until something else is asked for. On disk. */
  readonly refused: Refused | null;
  readonly phase: TrialPhase;
};

export type Refused = { readonly digest: string; readonly why: 'no_answer' | 'not_applied' };

export type TrialPhase =
  /** Nothing to do: what is wanted holds, or is refused. */
  | { readonly kind: 'settled' }
  /** Does a server answer before anything is changed? */
  | { readonly kind: 'before' }
  /** What is wanted is being applied. */
  | { readonly kind: 'applying'; readonly digest: string }
  /** Applied: a server must answer by `until`. */
  | { readonly kind: 'trying'; readonly digest: string; readonly until: number }
  /** The confirmed settings are being applied again. */
  | { readonly kind: 'restoring'; readonly digest: string; readonly why: Refused['why'] }
  /** Applied again: if a server answers by `until`, it was the fault of `digest`. */
  | { readonly kind: 'judging'; readonly digest: string; readonly until: number };

export type TrialEvent =
  /** A policy asks for these settings. */
  | { readonly kind: 'given'; readonly digest: string }
  /** What a check said that began after everything was applied. */
  | { readonly kind: 'answered' }
  | { readonly kind: 'silent' }
  /** What was to be applied is, or failed to be. */
  | { readonly kind: 'applied'; readonly digest: string; readonly ok: boolean };

export type TrialEffect =
  /** Asks all servers afresh → `answered` or `silent`. `afterMs`: not before that. */
  | { readonly kind: 'check'; readonly afterMs: number }
  /** Makes these settings hold → `applied`. */
  | { readonly kind: 'apply'; readonly digest: string }
  /** `confirmed` and `refused`, onto the disk. */
  | { readonly kind: 'save' }
  /** It is decided what becomes of what is wanted. */
  | { readonly kind: 'tell' };

export type TrialStep = { readonly state: TrialState; readonly effects: readonly TrialEffect[] };

/** Between two checks while a network comes up. */
const CHECK_EVERY_MS = 2_000;
/** While no server answers there is nothing to be tried: a search every so often, as the agent's own. */
const CHECK_BEFORE_MS = 10_000;

/** After a start the last confirmed settings hold, whatever was being tried. */
export function startTrial(confirmed: string, refused: Refused | null): TrialState {
  return { confirmed, inForce: confirmed, wanted: confirmed, refused, phase: { kind: 'settled' } };
}

/** `trialMs`: how long a network may take to come up. */
export function trialStep(state: TrialState, event: TrialEvent, now: number, trialMs: number): TrialStep {
  const { phase } = state;
  if (event.kind === 'given') return given(state, event.digest);
  switch (phase.kind) {
    case 'settled':
      return { state, effects: [] };
    case 'before':
      if (event.kind === 'answered') return apply(state);
      return event.kind === 'silent' ? { state, effects: [check(CHECK_BEFORE_MS)] } : { state, effects: [] };
    case 'applying':
      if (event.kind !== 'applied' || event.digest !== phase.digest) return { state, effects: [] };
      if (!event.ok) return restore(state, phase.digest, 'not_applied');
      return { state: { ...state, phase: { ...phase, kind: 'trying', until: now + trialMs } }, effects: [check(0)] };
    case 'trying':
      if (event.kind === 'answered') return confirm(state, phase.digest);
      if (event.kind !== 'silent') return { state, effects: [] };
      return now < phase.until
        ? { state, effects: [check(CHECK_EVERY_MS)] }
        : restore(state, phase.digest, 'no_answer');
    case 'restoring':
      if (event.kind !== 'applied' || event.digest !== state.confirmed) return { state, effects: [] };
      if (phase.why === 'not_applied') return refuse(state, { digest: phase.digest, why: phase.why });
      return {
        state: { ...state, phase: { kind: 'judging', digest: phase.digest, until: now + trialMs } },
        effects: [check(0)],
      };
    case 'judging':
      if (event.kind === 'answered') return refuse(state, { digest: phase.digest, why: 'no_answer' });
      if (event.kind !== 'silent') return { state, effects: [] };
      // None answers without them either: they are tried again as soon as one does.
      return now < phase.until ? { state, effects: [check(CHECK_EVERY_MS)] } : settle(state, []);
  }
}

function given(state: TrialState, digest: string): TrialStep {
  const next = { ...state, wanted: digest };
  // What is under way is brought to its end first.
  return state.phase.kind === 'settled' || state.phase.kind === 'before'
    ? settle(next, [])
    : { state: next, effects: [] };
}

function apply(state: TrialState): TrialStep {
  const { wanted: digest } = state;
  return {
    state: { ...state, inForce: digest, phase: { kind: 'applying', digest } },
    effects: [{ kind: 'apply', digest }],
  };
}

function restore(state: TrialState, digest: string, why: Refused['why']): TrialStep {
  return {
    state: { ...state, inForce: state.confirmed, phase: { kind: 'restoring', digest, why } },
    effects: [{ kind: 'apply', digest: state.confirmed }],
  };
}

function confirm(state: TrialState, digest: string): TrialStep {
  return settle({ ...state, confirmed: digest, refused: null }, [{ kind: 'save' }]);
}

function refuse(state: TrialState, refused: Refused): TrialStep {
  return settle({ ...state, refused }, [{ kind: 'save' }]);
}

/** What is wanted holds, is refused, or begins to be tried. */
function settle(state: TrialState, effects: readonly TrialEffect[]): TrialStep {
  const { wanted, inForce, refused, phase } = state;
  if (wanted !== inForce && wanted !== refused?.digest) {
    const isUnderWay = phase.kind === 'before';
    return { state: { ...state, phase: { kind: 'before' } }, effects: isUnderWay ? effects : [...effects, check(0)] };
  }
  return { state: { ...state, phase: { kind: 'settled' } }, effects: [...effects, { kind: 'tell' }] };
}

function check(afterMs: number): TrialEffect {
  return { kind: 'check', afterMs };
}
