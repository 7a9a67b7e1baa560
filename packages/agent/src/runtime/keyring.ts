import type { KdfParameters, UserBundle } from '@thinman/protocol';
import type { BaseKey, CachedLogin, DerivedKeys, Hasher } from '../ports.ts';

/** All that is secret of one login. It leaves this folder in no event, state, log or error. */
export type Secrets = {
  readonly user: string;
  /** When the password was typed; monotonic, ms. The session that comes of it began then, whatever it is called later. */
  readonly typedAtMs: number;
  /** How the user logs in online. */
  method: 'derived' | 'password';
  /** Let go when the login is over. A JavaScript string cannot be cleared. */
  password: string | undefined;
  /** The same for the session's connections, where one of them signs on with it: until the session ends. */
  signOn: Buffer | undefined;
  /** The row as it was when the login began. */
  cached: CachedLogin | undefined;
  /** Etag of the bundle that lay on this device before the login. */
  before: string | undefined;
  /** The cached bundle, opened by this password. */
  opened: UserBundle | undefined;
  /** How the keys were derived, the last time. */
  salt: string | undefined;
  kdf: KdfParameters | undefined;
  /** One derivation for each salt. */
  readonly bases: Map<string, Promise<BaseKey>>;
  /** The same, as soon as they are there. */
  readonly ready: Map<string, BaseKey>;
  /** A server's session token. */
  token: string | undefined;
};

/** Keys, passwords and tokens by loginId: from the typed password to the end of the session. */
export function createKeyring(hasher: Hasher) {
  const byLogin = new Map<string, Secrets>();
  return {
    open(loginId: string, user: string, password: string, typedAtMs: number): Secrets {
      const secrets: Secrets = {
        user,
        typedAtMs,
        method: 'derived',
        password,
        signOn: undefined,
        cached: undefined,
        before: undefined,
        opened: undefined,
        salt: undefined,
        kdf: undefined,
        bases: new Map(),
        ready: new Map(),
        token: undefined,
      };
      byLogin.set(loginId, secrets);
      return secrets;
    },
    get: (loginId: string): Secrets | undefined => byLogin.get(loginId),
    /** The session goes on under another id. */
    rename(from: string, to: string): void {
      const secrets = byLogin.get(from);
      if (secrets === undefined) return;
      byLogin.delete(from);
      byLogin.set(to, secrets);
    },
    /** Argon2id, once for each salt; the result is the secrets' as long as they are held. */
    async derive(secrets: Secrets, salt: string, kdf: KdfParameters): Promise<BaseKey | undefined> {
      const { password, bases } = secrets;
      const name = nameOf(salt, kdf);
      let base = bases.get(name);
      if (base === undefined) {
        if (password === undefined) return undefined;
        base = hasher.derive(password, salt, kdf);
        bases.set(name, base);
      }
      secrets.salt = salt;
      secrets.kdf = kdf;
      const key = await base;
      // Forgotten meanwhile: the key is cleared.
      if (bases.get(name) !== base) return undefined;
      secrets.ready.set(salt, key);
      return key;
    },
    /** A derivation of this cost that is still under way: it is the caller's from now on, who clears its key. undefined: there is none. */
    take(secrets: Secrets, kdf: KdfParameters): { readonly salt: string; readonly base: Promise<BaseKey> } | undefined {
      const { salt, bases, ready } = secrets;
      if (salt === undefined || ready.has(salt)) return undefined;
      const base = bases.get(nameOf(salt, kdf));
      bases.delete(nameOf(salt, kdf));
      return base === undefined ? undefined : { salt, base };
    },
    /** A key that was derived apart, from the same password, becomes the secrets' own; false: they are held no more. */
    adopt(
      secrets: Secrets,
      { salt, kdf, base }: { readonly salt: string; readonly kdf: KdfParameters; readonly base: BaseKey },
    ): boolean {
      if (![...byLogin.values()].includes(secrets)) return false;
      secrets.bases.set(nameOf(salt, kdf), Promise.resolve(base));
      secrets.ready.set(salt, base);
      secrets.salt = salt;
      secrets.kdf = kdf;
      return true;
    },
    /** Only the password itself; `forSignOn`: a connection of the session that begins takes it. */
    forgetPassword(loginId: string, forSignOn = false): void {
      const secrets = byLogin.get(loginId);
      if (secrets === undefined) return;
      if (forSignOn && secrets.password !== undefined) secrets.signOn = Buffer.from(secrets.password, 'utf8');
      secrets.password = undefined;
    },
    forget(loginId: string): void {
      const secrets = byLogin.get(loginId);
      if (secrets === undefined) return;
      byLogin.delete(loginId);
      clear(secrets);
    },
    forgetAll(): void {
      for (const secrets of byLogin.values()) clear(secrets);
      byLogin.clear();
    },
  };
}
export type Keyring = ReturnType<typeof createKeyring>;

/** Runs `use` with the keys of one user, and clears them afterwards. */
export function withKeys<T>(base: BaseKey, userId: string, use: (keys: DerivedKeys) => T): T {
  const keys = base.keysFor(userId);
  try {
    return use(keys);
  } finally {
    keys.dispose();
  }
}

const nameOf = (salt: string, { memoryKib, passes, lanes }: KdfParameters) => `${salt} ${memoryKib} ${passes} ${lanes}`;

function clear(secrets: Secrets): void {
  secrets.password = undefined;
  secrets.signOn?.fill(0);
  secrets.signOn = undefined;
  secrets.token = undefined;
  secrets.opened = undefined;
  // A derivation under way clears its result when it arrives; a failed one has told its own caller.
  for (const base of secrets.bases.values()) base.then(key => key.dispose()).catch(() => {});
  secrets.bases.clear();
  secrets.ready.clear();
}
