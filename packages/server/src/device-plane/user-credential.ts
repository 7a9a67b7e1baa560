import { generateKeyPairSync } from 'node:crypto';
import {
  DEFAULT_KDF,
  type DerivedMethod,
  SALT_BYTES,
  type UserBody,
  type UserCredential,
  type UserSystem,
  type Version,
} from '@thinman/protocol';
import { rawPublicKey } from '../identity/raw-keys.ts';
import type { StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';
import { uuidFrom } from './uuid.ts';

/** How a login name stands with this server, known or not: answers are made of this alone, and look alike. */
export type Standing = {
  /** The name in Unicode normal form C. */
  readonly name: string;
  /** The user who can log in under that name; undefined: none, a deleted one, or one without a password. */
  readonly user: (StoredObject & { readonly body: UserBody }) | undefined;
  readonly credential: Pick<UserCredential, 'salt' | 'kdf' | 'publicKey' | 'version'>;
  /** The version of the User object, or of its tombstone; for names that never were, that of somebody else. */
  readonly subject: Version;
};

/** A key of this process, thrown away: no proof fits it, and checking one costs what checking a real one costs. */
const NOBODYS_KEY = rawPublicKey(generateKeyPairSync('ed25519').publicKey);

type StandingDeps = Pick<DeviceDeps, 'replica' | 'dataKey' | 'site'>;

/** Does the same work for every name. Throws without a replica: the state gate comes before. */
export function standingOf({ replica, dataKey, site }: StandingDeps, typed: string): Standing {
  const version = replica.site()?.version;
  if (version === undefined) throw new Error('a user was asked for without a replica');
  const name = typed.normalize('NFC');
  // Who is nobody borrows version and parameters of somebody, always the same, on all servers alike.
  const lender = replica.nextUserByUid(uuidFrom(dataKey.mac('false-salt', 'lender', name), 8));
  const found = replica.find('User', name);
  // Read whole for every name, needed or not: an object that only those who exist have read would tell them by time.
  const restsOn = readWhole(found ?? lender);
  const credential = credentialOf(restsOn);
  const subject = { epoch: version.epoch, generation: (restsOn ?? version).generation };
  const nobodys = {
    // A false salt that stayed while its subject changed, for years, would tell it from real ones: it goes with the password.
    salt: dataKey
      .mac(
        'false-salt',
        'salt',
        name,
        restsOn?.uid ?? '',
        restsOn?.deleted === true ? 'deleted' : keyNumber(credential),
      )
      .subarray(0, SALT_BYTES)
      .toString('base64url'),
    kdf: credentialOf(lender)?.kdf ?? site.settings().kdf ?? DEFAULT_KDF,
    publicKey: NOBODYS_KEY,
    version: 0,
  };
  if (found?.deleted !== false || restsOn === undefined || credential === undefined) {
    return { name, user: undefined, credential: nobodys, subject };
  }
  return { name, user: restsOn, credential, subject };
}

/** Another one for each key that a user has had. */
function keyNumber(credential: UserCredential | undefined): string {
  return credential?.raises === undefined ? `${credential?.version}` : `${credential.version}.${credential.raises}`;
}

function readWhole(user: StoredObject | undefined): (StoredObject & { readonly body: UserBody }) | undefined {
  return user && { ...user, body: user.body as UserBody };
}

function credentialOf(user: StoredObject | undefined): UserCredential | undefined {
  return (user?.system as UserSystem | undefined)?.credential;
}

/**
 * The answer to `login/begin`, and to a proof that rests on an older salt. Its fields are written in one order, wherever the
 * parameters come from: stored ones come back sorted, defaults do not, and the order would tell who exists.
 */
export function derivedMethod({ credential: { salt, kdf }, subject }: Standing): DerivedMethod {
  const { algorithm, memoryKib, passes, lanes } = kdf;
  return { method: 'derived', salt, kdf: { algorithm, memoryKib, passes, lanes }, subject };
}
