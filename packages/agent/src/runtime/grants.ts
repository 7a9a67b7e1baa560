import type { LoginGranted, LoginRequest, ThinmanEvent, UserBundle } from '@thinman/protocol';
import type { GrantFacts } from '../core/event.ts';
import { takesBundle } from '../core/held.ts';
import { nextUse } from '../core/retention.ts';
import type { CachedLogin } from '../ports.ts';
import type { Context } from './context.ts';
import { type Secrets, withKeys } from './keyring.ts';
import { createLateRows, type RowFacts, type RowKey } from './late-rows.ts';

/** `also`: what the login comes to besides. */
export type LoginEvents = { readonly event: ThinmanEvent; readonly also: readonly ThinmanEvent[] };

/**
 * What turns a server's grant into a cached login, and back: all that needs keys and bundles together. `onLateRow`: a row that
 * waited for its key is on the disk.
 */
export function createGrants(context: Context, onLateRow: () => void) {
  const { identity, cache, sealing, attempts } = context;
  const late = createLateRows(context, sealedRow, onLateRow);

  const about = (userId: string, version: UserBundle['version']) => ({
    siteId: identity.siteId,
    deviceId: identity.deviceId,
    userId,
    version,
  });

  /** Opens the cached row with the typed password: true is the verification. */
  function openRow(secrets: Secrets): boolean {
    const { cached } = secrets;
    const base = cached === undefined ? undefined : secrets.ready.get(cached.salt);
    if (cached === undefined || base === undefined) return false;
    secrets.opened ??= withKeys(base, cached.userId, keys =>
      sealing.open(cached.sealed, keys, about(cached.userId, cached.bundleVersion)),
    );
    return secrets.opened !== undefined;
  }

  /** The bundle of a grant: the one sent, or the one held where that is current, or newer than the server's. */
  function bundleOf(secrets: Secrets, granted: LoginGranted): UserBundle | undefined {
    const { opened } = secrets;
    const { bundle } = granted;
    if ('unchanged' in bundle) {
      if (opened === undefined || opened.etag !== bundle.etag) return undefined;
      return takesBundle(opened.version, bundle.version) ? { ...opened, version: bundle.version } : opened;
    }
    const isOlder = opened?.user.id === bundle.user.id && !takesBundle(opened.version, bundle.version);
    return isOlder ? opened : bundle;
  }

  function sealedRow({ user, salt, kdf, base }: RowKey, bundle: UserBundle, facts: RowFacts): CachedLogin {
    const userId = bundle.user.id;
    const sealed = withKeys(base, userId, keys => sealing.seal(bundle, keys, about(userId, bundle.version)));
    const { version: bundleVersion, etag: bundleEtag, offline } = bundle;
    // What the directory calls somebody who has typed another form.
    const names = bundle.user.name === user ? {} : { names: [bundle.user.name] };
    return { user, userId, ...names, salt, kdf, bundleVersion, bundleEtag, offline, sealed, ...facts };
  }

  function rowOf(secrets: Secrets, bundle: UserBundle, facts: RowFacts): CachedLogin | undefined {
    const { salt, kdf, user } = secrets;
    const base = salt === undefined ? undefined : secrets.ready.get(salt);
    if (salt === undefined || kdf === undefined || base === undefined) return undefined;
    return sealedRow({ user, salt, kdf, base }, bundle, facts);
  }

  /** A new or renewed cached login; false when there was no key to seal it with. Throws CacheTrouble. */
  function saveGrant(secrets: Secrets, granted: LoginGranted, bundle: UserBundle, events?: LoginEvents): boolean {
    const { subject, credentialVersion, serverTime } = granted;
    const save = rowOf(secrets, bundle, {
      method: secrets.method,
      subject,
      credentialVersion,
      lastOnlineMs: serverTime,
      used: nextUse(cache.cachedUsers()),
    });
    const { user } = secrets;
    const userId = bundle.user.id;
    if (save !== undefined) late.drop(userId);
    if (bundle.offline.keep === false) {
      // Nothing of this user stays beyond the session; the version does, so that no older answer counts.
      const tombstone = { user, userId, reason: 'offline_withdrawn', subject } as const;
      cache.commitLogin({ user, erase: true, tombstone, clearFailures: true, ...events });
      secrets.cached = save ?? secrets.cached;
      secrets.opened = bundle;
      return save !== undefined;
    }
    const clear = { clearFailures: true, clearTombstoneOf: userId };
    cache.commitLogin({ user, ...clear, ...(save !== undefined && { save }), ...events });
    secrets.cached = save ?? secrets.cached;
    secrets.opened = bundle;
    return save !== undefined;
  }

  /** What an answer grants, in facts; undefined: it does not fit the question. */
  function grantFacts(
    secrets: Secrets,
    loginId: string,
    attempt: number,
    granted: LoginGranted,
  ): GrantFacts | undefined {
    const bundle = granted.loginId === loginId ? bundleOf(secrets, granted) : undefined;
    if (bundle === undefined) return undefined;
    attempts.keep(attempt, granted);
    return {
      userId: bundle.user.id,
      subject: granted.subject,
      credentialVersion: granted.credentialVersion,
      serverState: granted.server.state,
      serverVersion: granted.server.version,
      bundleVersion: bundle.version,
      serverTime: granted.serverTime,
      sessionLifetimeMs: Math.max(granted.session.expiresAt - granted.serverTime, 0),
    };
  }

  function derivedRequest(secrets: Secrets, loginId: string, serverKeyHash: string): LoginRequest | undefined {
    const { user, salt, kdf, cached } = secrets;
    const base = salt === undefined ? undefined : secrets.ready.get(salt);
    if (salt === undefined || kdf === undefined || base === undefined) return undefined;
    const proof = withKeys(base, cached?.userId ?? '', keys => keys.proof({ serverKeyHash, user, loginId }));
    return { method: 'derived', loginId, user, salt, kdf, proof };
  }

  return { about, openRow, bundleOf, rowOf, saveGrant, late, grantFacts, derivedRequest };
}
export type Grants = ReturnType<typeof createGrants>;
