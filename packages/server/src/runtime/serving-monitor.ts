import type { Version } from '@thinman/protocol';
import { heard, type Lag, lagMs, reached, restoredLag } from '../core/lag.ts';
import {
  DEFAULT_SERVING_LIMITS,
  type Serving,
  type ServingFacts,
  type ServingLimits,
  servingState,
} from '../core/serving-state.ts';
import type { Clock } from '../ports.ts';

/** How often the state is looked at: a tenth of the shortest limit (the database's 3 s), so that it is told in time. */
const LOOK_INTERVAL_MS = 250;

export type MonitoredFacts = Omit<ServingFacts, 'nowMs' | 'draining' | 'lagMs'>;

export type ServingMonitor = {
  /** As of the last look; `look` brings it up to date. */
  current(): Serving;
  look(): Serving;
  onChange(listener: (now: Serving, before: Serving) => void): () => void;
  /** The Primary was heard to have committed this. */
  heard(version: Version, has: Version): void;
  /** The replica has reached this. Seen at the next look: whoever read it has not finished yet. */
  reached(has: Version): void;
  lagMs(): number;
  /** A planned stop: there is no way back. */
  drain(): void;
  stop(): void;
};

export type ServingMonitorOptions = {
  readonly facts: () => MonitoredFacts;
  readonly limits?: () => ServingLimits;
  readonly clock: Clock;
  /** What was heard of before the restart, and what the replica has. */
  readonly restored?: { readonly heard: Version | undefined; readonly has: Version };
};

/** Watches what the server knows of itself, and tells when that changes what it is (`failover.md`). */
export function createServingMonitor(options: ServingMonitorOptions): ServingMonitor {
  const { facts, limits = () => DEFAULT_SERVING_LIMITS, clock, restored } = options;
  const listeners = new Set<(now: Serving, before: Serving) => void>();
  let draining = false;
  let lag: Lag =
    restored === undefined
      ? { lacking: [] }
      : restoredLag(restored.heard, restored.has, clock.monotonicMs(), limits().lagLimitMs);

  const decide = (): Serving => {
    const nowMs = clock.monotonicMs();
    return servingState({ ...facts(), nowMs, draining, lagMs: lagMs(lag, nowMs) }, limits());
  };
  let current = decide();

  const look = (): Serving => {
    const before = current;
    current = decide();
    if (current.state !== before.state || current.why !== before.why) {
      for (const listener of listeners) listener(current, before);
    }
    return current;
  };

  let cancel = () => {};
  const tick = () => {
    cancel = clock.after(LOOK_INTERVAL_MS, tick);
    look();
  };
  tick();

  return {
    current: () => current,
    look,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    heard(version, has) {
      lag = heard(lag, version, has, clock.monotonicMs());
      look();
    },
    reached(has) {
      lag = reached(lag, has);
    },
    lagMs: () => lagMs(lag, clock.monotonicMs()),
    drain() {
      draining = true;
      look();
    },
    stop: () => cancel(),
  };
}
