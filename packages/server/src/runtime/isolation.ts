import type { Clock } from '../ports.ts';

/** A Primary that sees nobody for so long may have been given up, and another one promoted (`issue 5`, Promotion). */
export const ISOLATED_AFTER_MS = 60_000;
const LOOK_INTERVAL_MS = 1_000;

export type Isolation = {
  /** Whether this server should take no administrative write. */
  isIsolated(): boolean;
  /** It has not seen anybody within that time, also where it has not run so long: it cannot know of a promotion. */
  seesNobody(): boolean;
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
  readonly isolatedAfterMs?: () => number;
  readonly clock: Clock;
}): Isolation {
  const { seesAnybody, hasOthers, onLook = () => {}, clock, isolatedAfterMs = () => ISOLATED_AFTER_MS } = options;
  const startedAtMs = clock.monotonicMs();
  let seenAtMs: number | undefined;
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
  const isAloneSince = (atMs: number) => clock.monotonicMs() - atMs > isolatedAfterMs();
  return {
    isIsolated: () => hasOthers() && !seesAnybody() && isAloneSince(seenAtMs ?? startedAtMs),
    seesNobody: () => hasOthers() && !seesAnybody() && (seenAtMs === undefined || isAloneSince(seenAtMs)),
    saw,
    stop: () => cancel(),
  };
}
