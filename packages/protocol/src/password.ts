import Type, { type Static } from 'typebox';
import { lengthPrefixed } from './canonical.ts';
import { KdfParameters } from './kdf.ts';
import { MAX_PASSWORD_LENGTH } from './limits.ts';
import { Base64Url, LoginName, Uuid } from './names.ts';
import { closed } from './objects/shape.ts';
import { Version } from './versioned.ts';

/** First part of what old and new key sign when a user's key is replaced (ADR 0059). */
export const CHANGE_INFO = 'thinman/1/change';

const kdf = closed(KdfParameters.properties);
/** What the device has derived from the new password, or from the same one at a higher cost. */
export const NextCredential = closed({ salt: Base64Url(128), kdf, publicKey: Base64Url(64) });
export type NextCredential = Static<typeof NextCredential>;

const change = {
  /** UUIDv7, the same when it is sent again: a change whose answer was lost is not made twice. */
  changeId: Uuid,
  user: LoginName,
};

/** `POST /v1/password` of a local user: the new key, signed by the old one, and by itself. */
export const DerivedPasswordChange = closed({
  ...change,
  method: Type.Literal('derived'),
  /** `raised`: the same password at the site's higher cost; sessions and cached logins elsewhere go on. */
  why: Type.Union([Type.Literal('changed'), Type.Literal('raised')]),
  /** What the old key rests on: others now → `salt_changed`. */
  salt: Base64Url(128),
  kdf,
  proof: Base64Url(128),
  next: NextCredential,
  nextProof: Base64Url(128),
});
export type DerivedPasswordChange = Static<typeof DerivedPasswordChange>;

/** `POST /v1/password` of a directory's user, inside the mutual TLS. */
export const DirectoryPasswordChange = closed({
  ...change,
  method: Type.Literal('password'),
  password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
  newPassword: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
});
export type DirectoryPasswordChange = Static<typeof DirectoryPasswordChange>;

/** `POST /v1/password`, on the Primary alone. */
export const PasswordChangeRequest = Type.Union([DerivedPasswordChange, DirectoryPasswordChange]);
export type PasswordChangeRequest = Static<typeof PasswordChangeRequest>;

/** It is done. `subject`, `credentialVersion`: of a local user, as later answers have them. */
export const PasswordChanged = Type.Object({
  subject: Type.Optional(Version),
  credentialVersion: Type.Integer({ minimum: 0 }),
  serverTime: Type.Integer(),
});
export type PasswordChanged = Static<typeof PasswordChanged>;

/** What is signed: good for one server, one device, one user and one new key. */
export type ChangeProofParts = {
  readonly siteId: string;
  readonly serverKeyHash: string;
  readonly deviceKeyHash: string;
  readonly user: string;
  readonly changeId: string;
  readonly why: 'changed' | 'raised';
  readonly next: NextCredential;
};

/** The bytes that both keys sign. */
export function changeProofBytes(parts: ChangeProofParts): Uint8Array {
  const { salt, kdf: cost, publicKey } = parts.next;
  return lengthPrefixed([
    ...[CHANGE_INFO, parts.siteId, parts.serverKeyHash, parts.deviceKeyHash, parts.user, parts.changeId, parts.why],
    ...[salt, cost.algorithm, String(cost.memoryKib), String(cost.passes), String(cost.lanes), publicKey],
  ]);
}

/** Whether the site asks for more than this key was derived with, and for less in nothing. */
export function isRaised(wanted: KdfParameters, held: KdfParameters): boolean {
  const isLess = wanted.memoryKib < held.memoryKib || wanted.passes < held.passes;
  return !isLess && (wanted.memoryKib > held.memoryKib || wanted.passes > held.passes);
}

/** `POST /v1/password` on a local socket. */
export const LocalPasswordRequest = closed({
  user: LoginName,
  password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
  newPassword: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
});
export type LocalPasswordRequest = Static<typeof LocalPasswordRequest>;

/** What a change of password comes to: `thinman-agent passwd --json`. */
export const PasswordResult = Type.Object({
  changed: Type.Boolean(),
  /** Code of the refusal; null when it is changed. */
  reason: Type.Union([Type.String(), Type.Null()]),
  user: Type.String(),
  detail: Type.Optional(Type.String()),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type PasswordResult = Static<typeof PasswordResult>;
