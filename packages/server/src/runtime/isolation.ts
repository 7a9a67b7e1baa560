import type { Clock } from '../ports.ts';

/** A Primary that sees nobody for so long may have been given up, and another one promoted (`issue 5`, Promotion). */
export const ISOLATED_AFTER_MS = 60_000;
const LOOK_INTERVAL_MS = 1_000;

export type Isolation = {
  /** Whether this server should take no administrative write. */
  isIsolated(): boolean;
  /** Another server has answered. */
  saw(): void;
  stop(): void;
};

/** Watches whether a Primary sees anybody: its writes would be exported later, and of use to nobody now. */
export function watchIsolation(options: {
  /** A device or a Secondary is connected. */
  readonly seesAnybody: () => boolean;
  /** The site has another server: without one, nobody can have been promoted. */
  readonly hasOthers: () => boolean;
  /** Each second. */
  readonly onLook?: () => void;
  readonly clock: Clock;
}): Isolation {
  const { seesAnybody, hasOthers, onLook = () => {}, clock } = options;
  let seenAtMs = clock.monotonicMs();
  let cancel = () => {};
  const saw = () => {
    seenAtMs = clock.monotonicMs();
  };
  const look = () => {
    if (seesAnybody()) saw();
    onLook();
    cancel = clock.after(LOOK_INTERVAL_MS, look);
  };
  cancel = clock.after(LOOK_INTERVAL_MS, look);
  return {
    isIsolated: () => hasOthers() && !seesAnybody() && clock.monotonicMs() - seenAtMs > ISOLATED_AFTER_MS,
    saw,
    stop: () => cancel(),
  };
}
