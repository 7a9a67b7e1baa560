import {
  type AdministratorSystem,
  canonicalJson,
  DEFAULT_KDF,
  isRaised,
  type KdfParameters,
  type ObjectKind,
  SITE_SETTINGS_NAME,
  type SiteSettingsBody,
  type UserCredential,
  type UserSystem,
} from '@thinman/protocol';
import type { PasswordHasher, StoredObject } from '../ports.ts';
import type { ValidInput } from './site-view.ts';

/** What is known about a password in an `apply` before the site row is locked: no hash runs under the lock. */
export type PasswordWork = {
  /** Fingerprint of the credential that it was tried against (see `credentialFingerprint`). */
  readonly against: string;
  /** It is the one that is held already. */
  readonly fits: boolean;
  /** What to hold from now on, if it does not fit. Absent in a dry run. */
  readonly fresh?: FreshCredential;
};

type FreshCredential = Omit<UserCredential, 'version' | 'changedAt'> | Required<AdministratorSystem>;

/** By the input's index. */
export type PasswordsWorked = ReadonlyMap<number, PasswordWork>;

/** Tells whether the stored credential is still the one that a password was tried against; says nothing of it. */
export function credentialFingerprint(kind: ObjectKind, stored: StoredObject | undefined): string {
  const { credential, passwordSalt, passwordHash } = (stored?.system ?? {}) as UserSystem & AdministratorSystem;
  return canonicalJson(kind === 'User' ? (credential ?? null) : [passwordSalt ?? null, passwordHash ?? null]);
}

export function hasPassword(input: ValidInput): boolean {
  return (input.kind === 'User' || input.kind === 'Administrator') && input.body.password !== undefined;
}

/** `system` with the new credential; a user's raises the credential version, which ends sessions and cached logins. */
export function withCredential(
  kind: ObjectKind,
  system: Readonly<Record<string, unknown>>,
  fresh: FreshCredential,
  nowMs: number,
): Record<string, unknown> {
  if (kind === 'Administrator') return { ...system, ...fresh };
  const version = ((system as UserSystem).credential?.version ?? 0) + 1;
  return { ...system, credential: { ...fresh, version, changedAt: nowMs } };
}

/**
 * Tries the passwords of an `apply` against what is held, and (unless `tryOnly`) derives new credentials where they
 * differ. Two Argon2id at most for each; the hasher bounds how many run at once. May throw Overloaded.
 */
export async function workPasswords(
  inputs: readonly ValidInput[],
  held: (kind: ObjectKind, name: string) => StoredObject | undefined,
  tools: { readonly hasher: PasswordHasher; readonly siteId: string; readonly tryOnly: boolean },
): Promise<PasswordsWorked> {
  const wanted = kdfFor(inputs, held);
  const work = async (input: ValidInput): Promise<PasswordWork> => {
    const stored = held(input.kind, input.name);
    const password = String(input.body.password);
    const against = credentialFingerprint(input.kind, stored);
    if (await fits(input.kind, password, stored, tools)) return { against, fits: true };
    if (tools.tryOnly) return { against, fits: false };
    const kdf = noCheaper(wanted, stored);
    const fresh =
      input.kind === 'User'
        ? { kdf, ...(await tools.hasher.credential(password, tools.siteId, kdf)) }
        : await tools.hasher.administrator(password);
    return { against, fits: false, fresh };
  };
  const withPassword = inputs.filter(hasPassword);
  const done = await Promise.all(withPassword.map(work));
  return new Map(withPassword.map((input, at) => [input.index, done[at] ?? { against: '', fits: false }]));
}

async function fits(
  kind: ObjectKind,
  password: string,
  stored: StoredObject | undefined,
  { hasher, siteId }: { readonly hasher: PasswordHasher; readonly siteId: string },
): Promise<boolean> {
  const { credential, passwordSalt, passwordHash } = (stored?.system ?? {}) as UserSystem & AdministratorSystem;
  if (kind === 'User') return credential !== undefined && (await hasher.fits(password, siteId, credential));
  if (passwordSalt === undefined || passwordHash === undefined) return false;
  return hasher.administratorFits(password, { passwordSalt, passwordHash });
}

/** A device refuses a key that costs less than the one before: a new password would let nobody in where the old one did. */
function noCheaper(wanted: KdfParameters, stored: StoredObject | undefined): KdfParameters {
  const before = (stored?.system as UserSystem | undefined)?.credential?.kdf;
  return before === undefined || isRaised(wanted, before) ? wanted : before;
}

/** New passwords get the site's parameters; those of this very `apply`, if it changes them. */
function kdfFor(
  inputs: readonly ValidInput[],
  held: (kind: ObjectKind, name: string) => StoredObject | undefined,
): KdfParameters {
  const given = inputs.find(({ kind, name }) => kind === 'SiteSettings' && name === SITE_SETTINGS_NAME);
  const body = (given ?? held('SiteSettings', SITE_SETTINGS_NAME))?.body as SiteSettingsBody | undefined;
  return body?.kdf ?? DEFAULT_KDF;
}
