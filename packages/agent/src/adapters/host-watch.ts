import { networkInterfaces } from 'node:os';
import type { Clock } from '../ports.ts';

/** How often the host is looked at: a person who opens the lid has not typed a password by then. */
const LOOK_EVERY_MS = 2_000;
/** Timers stand still in suspend, the clock does not: a look that is later than this was slept through, not delayed. */
const SUSPENDED_MS = 10_000;

export type HostWatch = {
  /** An address has come: servers may be reachable that were not. */
  readonly onLinkUp: () => void;
  /** The machine woke from suspend; also when this process alone was stopped, which does no harm. */
  readonly onResumed: () => void;
};

/** Tells of a network that came up and of a wake-up, so that nobody waits for the next probe. Returns how to stop. */
export function watchHost(
  clock: Clock,
  watch: HostWatch,
  addresses: () => ReadonlySet<string> = hostAddresses,
): () => void {
  let seen = addresses();
  let lookedAtMs = clock.monotonicMs();
  let cancel = clock.after(LOOK_EVERY_MS, look);

  function look(): void {
    cancel = clock.after(LOOK_EVERY_MS, look);
    const now = addresses();
    const nowMs = clock.monotonicMs();
    const hasNew = [...now].some(address => !seen.has(address));
    const wasSuspended = nowMs - lookedAtMs > LOOK_EVERY_MS + SUSPENDED_MS;
    seen = now;
    lookedAtMs = nowMs;
    if (wasSuspended) watch.onResumed();
    if (hasNew) watch.onLinkUp();
  }

  return () => cancel();
}

function hostAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap(entries => entries ?? []);
  return new Set(all.map(({ cidr, address }) => cidr ?? address));
}
