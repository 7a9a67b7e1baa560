import { type BundleFile, DEFAULT_OFFLINE_USERS, type OfflineUser } from '@thinman/protocol';
import { whomToForget } from '../core/retention.ts';
import type { Context } from './context.ts';
import { unlessTrouble } from './store.ts';

const MINUTE_MS = 60_000;
/** A wipe that the disk refused: somebody may have made room, and nobody is in a hurry on a disk that is full. */
const WIPE_RETRY_MS = MINUTE_MS;

/**
 * Who is kept on this device, and for how long: by number, and by an administrator's wish to forget all. `again`: what could not be
 * done is to be tried now.
 */
export function createRetentionDesk(
  context: Context,
  on: { readonly forgetFiles: (keep: readonly BundleFile[]) => void; readonly again: () => void },
) {
  const { cache, clock, keyring } = context;
  let cancelRetry = () => {};
  /** Whom the wipe under way forgets: also those who went at an attempt before. */
  const users = new Set<string>();

  /** Throws what the file system says. */
  function wipeFor(number: number): void {
    for (const { userId } of cache.cachedUsers()) users.add(userId);
    const { session } = context.state();
    // The session goes on, and its files with it: `session end` and `device revoke` are there for those who want otherwise.
    const inUse = session.kind === 'open' ? keyring.get(session.loginId)?.opened?.files : undefined;
    on.forgetFiles([...(cache.deviceBundle()?.files ?? []), ...(inUse ?? [])]);
    const data = { number, users: users.size };
    cache.wipeUsers(number, { id: context.newId(), type: 'cache.wiped', at: context.nowMs(), data });
    users.clear();
  }

  return {
    /** Makes room. True: somebody was forgotten. */
    tidy(): boolean {
      const { session } = context.state();
      const setting = cache.deviceBundle()?.settings['agent.offline.maxUsers'];
      const maxUsers = typeof setting === 'number' ? setting : DEFAULT_OFFLINE_USERS;
      const atWork = session.kind === 'open' ? session.userId : undefined;
      const gone = whomToForget(cache.cachedUsers(), { maxUsers, atWork });
      return gone.length > 0 && unlessTrouble(() => cache.forgetUsers(gone)) !== undefined;
    },

    /**
     * Does what the device's bundle asks for and was not done yet: also after a start, where a kill came between. True: done now.
     * What the disk refuses stays wished for: it is told, and tried again. Nothing else waits for it.
     */
    wipe(): boolean {
      cancelRetry();
      const number = cache.deviceBundle()?.wipe ?? 0;
      if (number <= cache.wiped()) return false;
      try {
        wipeFor(number);
        return true;
      } catch (error) {
        context.defect(error);
        // Whatever it is that cannot be removed, what lets people in goes.
        unlessTrouble(() => cache.forgetUsers(cache.cachedUsers().map(({ user }) => user)));
        cancelRetry = clock.after(WIPE_RETRY_MS, on.again);
        return false;
      }
    },

    stop: (): void => cancelRetry(),

    /** Who could log in here without a server, the next to lose that first: cut to the minute, so that a second login soon after is no news. */
    offlineUsers(): readonly OfflineUser[] {
      const users = cache.cachedUsers().flatMap(({ user, userId, offline, lastOnlineMs }) => {
        const isBlocked = unlessTrouble(() => cache.tombstone(userId))?.done !== undefined;
        if (!offline.allowed || isBlocked) return [];
        const untilMs = lastOnlineMs + offline.maxAgeMs;
        return [{ userId, user, until: untilMs - (untilMs % MINUTE_MS) }];
      });
      return users.toSorted((a, b) => a.until - b.until || (a.user < b.user ? -1 : 1));
    },
  };
}
export type RetentionDesk = ReturnType<typeof createRetentionDesk>;
