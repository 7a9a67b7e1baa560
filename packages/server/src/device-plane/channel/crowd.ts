import { MAX_CROWD_MS } from '@thinman/protocol';
import type { Clock, Replica } from '../../ports.ts';

/**
 * Of one device that comes, on one core: 2 ms for TLS, the upgrade and both hellos, and as much for those who log in meanwhile. At
 * 2.5 ms they still piled up, and logins waited four times as long (ADR 0092).
 */
export const CROWD_MS_PER_DEVICE = 4;
/** Below, all of them are served before anybody would have noticed that they came together. */
export const LEAST_CROWD_MS = 400;
/** Counting 100,000 devices takes some milliseconds; thousands who come ask within seconds. */
const COUNTED_AGAIN_MS = 10_000;

/** How long the devices of the site take to come to a server one after the other, in ms; undefined: they are few. */
export function createCrowd(
  replica: Pick<Replica, 'count'>,
  clock: Pick<Clock, 'monotonicMs'>,
): () => number | undefined {
  let counted: { readonly ms: number; readonly atMs: number } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (counted === undefined || nowMs - counted.atMs >= COUNTED_AGAIN_MS) {
      counted = { ms: Math.min(MAX_CROWD_MS, Math.round(replica.count('Device') * CROWD_MS_PER_DEVICE)), atMs: nowMs };
    }
    return counted.ms < LEAST_CROWD_MS ? undefined : counted.ms;
  };
}
