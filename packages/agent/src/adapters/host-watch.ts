import { networkInterfaces } from 'node:os';
import type { Clock } from '../ports.ts';

/** How often the host is looked at: a person who opens the lid has not typed a password by then. */
const LOOK_EVERY_MS = 2_000;
/** The monotonic clock stands still in suspend, the other does not: a gap above this is a night, not a clock's drift. */
const SUSPENDED_MS = 10_000;

export type HostWatch = {
  /** An address has come: servers may be reachable that were not. */
  readonly onLinkUp: () => void;
  /** The machine woke from suspend; also when its clock was set forward, which does no harm. */
  readonly onResumed: () => void;
};

/** Tells of a network that came up and of a wake-up, so that nobody waits for the next probe. Returns how to stop. */
export function watchHost(
  clock: Clock,
  watch: HostWatch,
  addresses: () => ReadonlySet<string> = hostAddresses,
): () => void {
  let seen = addresses();
  let gapMs = clock.nowMs() - clock.monotonicMs();
  let cancel = clock.after(LOOK_EVERY_MS, look);

  function look(): void {
    cancel = clock.after(LOOK_EVERY_MS, look);
    const now = addresses();
    const gapNow = clock.nowMs() - clock.monotonicMs();
    const hasNew = [...now].some(address => !seen.has(address));
    const wasSuspended = gapNow - gapMs > SUSPENDED_MS;
    seen = now;
    gapMs = gapNow;
    if (wasSuspended) watch.onResumed();
    if (hasNew) watch.onLinkUp();
  }

  return () => cancel();
}

function hostAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap(entries => entries ?? []);
  return new Set(all.map(({ cidr, address }) => cidr ?? address));
}
