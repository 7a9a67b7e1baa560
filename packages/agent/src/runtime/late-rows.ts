import type { KdfParameters, LoginGranted, UserBundle } from '@thinman/protocol';
import { takesBundle } from '../core/held.ts';
import { nextUse } from '../core/retention.ts';
import type { BaseKey, CachedLogin } from '../ports.ts';
import type { Context } from './context.ts';
import type { Secrets } from './keyring.ts';
import { unlessTrouble } from './store.ts';

/** With what a row is sealed. */
export type RowKey = {
  readonly user: string;
  readonly salt: string;
  readonly kdf: KdfParameters;
  readonly base: BaseKey;
};
export type RowFacts = Pick<CachedLogin, 'method' | 'subject' | 'credentialVersion' | 'lastOnlineMs' | 'used'>;

/** A grant whose row is not on the disk yet. */
type Waiting = {
  readonly secrets: Secrets;
  readonly user: string;
  /** Gone as soon as its derivation has begun. */
  password: string;
  /** That of the login itself, which was granted before it had ended. */
  underWay: { readonly salt: string; readonly base: Promise<BaseKey> } | undefined;
  readonly granted: LoginGranted;
  readonly kdf: KdfParameters;
  bundle: UserBundle;
  /** The users of this device were forgotten since: the key is for the session alone. */
  isForgotten: boolean;
};

/**
 * Users who may wait at once, with the one whose key is derived. One derivation takes a tenth of a second, on a slow thin client one, and people take longer to type: more
 * than two or three are an accident. Above it the oldest goes: that user logs in online once more before it works offline.
 */
const MAX_WAITING = 8;

/**
 * Rows of directory users that follow their grant, as soon as a key of this device's own is derived. Each derivation belongs to its
 * row, not to the session: whoever logs in meanwhile takes nothing away. One runs at a time (64 MiB each). A user has one row to
 * wait for, the newest; what a tombstone forbids or a later login replaces is not written.
 */
export function createLateRows(
  { hasher, cache, keyring, uuid, defect }: Pick<Context, 'hasher' | 'cache' | 'keyring' | 'uuid' | 'defect'>,
  rowOf: (key: RowKey, bundle: UserBundle, facts: RowFacts) => CachedLogin,
  onSaved: () => void,
) {
  /** By user id, in the order in which they came. */
  const waiting = new Map<string, Waiting>();
  let isRunning = false;

  async function work(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    try {
      for (let next = first(); next !== undefined; next = first()) await derive(...next).catch(defect);
    } finally {
      isRunning = false;
    }
  }

  const first = (): [string, Waiting] | undefined => waiting.entries().next().value;

  async function derive(userId: string, each: Waiting): Promise<void> {
    const { salt, base: derived } = each.underWay ?? begun(each);
    each.underWay = undefined;
    each.password = '';
    let base: BaseKey;
    try {
      base = await derived;
    } catch (error) {
      forget(userId, each);
      throw error;
    }
    let isKept = false;
    try {
      if (waiting.get(userId) !== each) return;
      const { user, granted, kdf, bundle, secrets } = each;
      const { subject, credentialVersion, serverTime } = granted;
      const used = unlessTrouble(() => nextUse(cache.cachedUsers()))?.done;
      const facts = {
        ...{ method: 'password' as const, subject, credentialVersion, lastOnlineMs: serverTime },
        ...(used !== undefined && { used }),
      };
      const save = rowOf({ user, salt, kdf, base }, bundle, facts);
      isKept = keyring.adopt(secrets, { salt, kdf, base });
      if (isKept) secrets.cached = save;
      // Of an excluded group, or forgotten meanwhile: for the session alone.
      if (bundle.offline.keep === false || each.isForgotten) return;
      // The grant itself has cleared failures and tombstones: what came since is of others.
      if (unlessTrouble(() => cache.commitLogin({ user, save })) !== undefined) onSaved();
    } finally {
      forget(userId, each);
      if (!isKept) base.dispose();
    }
  }

  function begun({ password, kdf }: Waiting): NonNullable<Waiting['underWay']> {
    const salt = Buffer.from(uuid().replaceAll('-', ''), 'hex').toString('base64url');
    return { salt, base: hasher.derive(password, salt, kdf) };
  }

  function forget(userId: string, each: Waiting): void {
    if (waiting.get(userId) === each) waiting.delete(userId);
  }

  /** Nobody waits for it any more. */
  function drop(userId: string): void {
    const each = waiting.get(userId);
    waiting.delete(userId);
    each?.underWay?.base.then(key => key.dispose()).catch(() => {});
  }

  return {
    /** The password must still be there. `kdf`: what the key of the row costs. */
    add(secrets: Secrets, granted: LoginGranted, bundle: UserBundle, kdf: KdfParameters): void {
      const { user, password } = secrets;
      if (password === undefined) return;
      const { id } = bundle.user;
      drop(id);
      // Not the one whose derivation runs: its password is gone already, and its row is near.
      const oldest = [...waiting].find(([, each]) => each.password !== '');
      if (waiting.size >= MAX_WAITING && oldest !== undefined) drop(oldest[0]);
      // What the login began serves the row as well: a second derivation would cost as much again (ADR 0104).
      const underWay = keyring.take(secrets, kdf);
      waiting.set(id, { secrets, user, password, underWay, granted, kdf, bundle, isForgotten: false });
      void work();
    },
    /** A newer bundle of a session whose row still waits: it goes in there. False: none waits, or it is no newer. */
    renew(secrets: Secrets, bundle: UserBundle): boolean {
      const each = waiting.get(bundle.user.id);
      if (each?.secrets !== secrets || !takesBundle(each.bundle.version, bundle.version)) return false;
      each.bundle = bundle;
      return true;
    },
    /** This user's row was written or forbidden meanwhile. */
    drop,
    dropAll(): void {
      for (const userId of waiting.keys()) drop(userId);
    },
    /** All users are forgotten: no row comes back. Whoever works here keeps the session, and gets the key for it. */
    forgetAll(): void {
      for (const each of waiting.values()) each.isForgotten = true;
    },
  };
}
export type LateRows = ReturnType<typeof createLateRows>;
