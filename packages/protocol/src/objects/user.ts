import Type, { type Static } from 'typebox';
import { KdfParameters } from '../kdf.ts';
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '../limits.ts';
import { Base64Url, ObjectName } from '../names.ts';
import { Attributes, closed, description, Moment } from './shape.ts';

/** A local user. `password` is write-only: turned into a credential before the commit, never stored, never given back. */
export const UserBody = closed({
  description,
  displayName: Type.Optional(Type.String({ maxLength: 256 })),
  password: Type.Optional(Type.String({ minLength: MIN_PASSWORD_LENGTH, maxLength: MAX_PASSWORD_LENGTH })),
  groups: Type.Optional(Type.Array(ObjectName, { maxItems: 1000, uniqueItems: true })),
  disabled: Type.Optional(Type.Boolean()),
  /** Locked by an administrator. */
  locked: Type.Optional(Type.Boolean()),
  expiresAt: Type.Optional(Moment),
  passwordExpiresAt: Type.Optional(Moment),
  /** Failed logins before this moment count no more (the helpdesk's unlock). */
  unlockedAt: Type.Optional(Moment),
  /** Sessions begun before this moment are not refreshed. */
  sessionsNotBefore: Type.Optional(Moment),
  offlineLogin: Type.Optional(Type.Boolean()),
  attributes: Type.Optional(Attributes),
});
export type UserBody = Static<typeof UserBody>;

/** What replaces the password (`design.md`, idea 6): who steals it still pays one Argon2id for each guess. */
export const UserCredential = Type.Object({
  /** Raised by every change of password. */
  version: Type.Integer({ minimum: 1 }),
  /** How often its key was derived anew at a higher cost, from the same password. */
  raises: Type.Optional(Type.Integer({ minimum: 1 })),
  kdf: KdfParameters,
  salt: Base64Url(128),
  /** Raw Ed25519 public key, base64url. */
  publicKey: Base64Url(64),
  /** Unix milliseconds. */
  changedAt: Type.Integer(),
});
export type UserCredential = Static<typeof UserCredential>;

/** What servers keep of a user beside the body; without `credential` nobody logs in by password. */
export const UserSystem = Type.Object({ credential: Type.Optional(UserCredential) });
export type UserSystem = Static<typeof UserSystem>;
