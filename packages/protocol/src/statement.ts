import Type, { type Static } from 'typebox';
import { canonicalJson } from './canonical.ts';
import { Base64Url, ObjectName, Sha256, Uuid } from './names.ts';

/** What a server is for, as the site signed it. */
export const ServerRole = Type.Union([Type.Literal('primary'), Type.Literal('secondary')]);
export type ServerRole = Static<typeof ServerRole>;

/** One server as the site vouches for it. */
export const StatementServer = Type.Object({
  name: ObjectName,
  url: Type.String({ maxLength: 512 }),
  role: ServerRole,
  /** SHA-256 of the SPKI of its TLS key. A server whose key is not here is no server, whatever its certificate says. */
  keyHash: Sha256,
  /** Raw Ed25519 public key that signs sessions; `kid` of its tokens is the server's name. */
  sessionKey: Base64Url(64),
  /** Raw X25519 public key to which the site data key is wrapped. */
  wrappingKey: Base64Url(64),
});
export type StatementServer = Static<typeof StatementServer>;

/** What the site signs (`design.md`, idea 7). Order of `servers` is the order of preference, Primary first. */
export const SiteStatement = Type.Object({
  siteId: Uuid,
  epoch: Type.Integer({ minimum: 1 }),
  /** Which epoch of this number: the `commitId` of the commit that began it. Left out in a first epoch, and by older versions. */
  epochId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  /** Counts statements within the site; of two of the same epoch the higher one holds. */
  version: Type.Integer({ minimum: 1 }),
  servers: Type.Array(StatementServer, { minItems: 1, maxItems: 64 }),
  /** SHA-256 of the SPKIs of the CAs that devices trust: one, or two while the CA is changed. The first one issues. */
  caPins: Type.Array(Sha256, { minItems: 1, maxItems: 4 }),
  /** Suffixes of directories: only users of these may be asked for a password (`method: password`). */
  directorySuffixes: Type.Array(Type.String({ maxLength: 253 }), { maxItems: 256 }),
  /** A directory takes names without a domain as well: whoever has not logged in by proof on a device may be asked there. */
  directoryPlainNames: Type.Optional(Type.Boolean()),
});
export type SiteStatement = Static<typeof SiteStatement>;

const Signature = {
  /** ECDSA P-256 over SHA-256 of `statement`, IEEE P1363 form (64 bytes), base64url. */
  signature: Base64Url(128),
  /** SHA-256 of the SPKI of the CA key that signed. */
  signedBy: Sha256,
};

/** A statement on the wire: the very text that was signed, and the signature. */
export const SignedStatement = Type.Object({
  /** Canonical JSON of a SiteStatement. */
  statement: Type.String({ maxLength: 128 * 1024 }),
  ...Signature,
  /** While the CA is changed: the same text signed by the other one, for whoever holds one of the two. */
  cosignatures: Type.Optional(Type.Array(Type.Object(Signature), { maxItems: 3 })),
});
export type SignedStatement = Static<typeof SignedStatement>;

/** The bytes under a statement's signature: apart from every other thing that the CA key signs. */
export function statementBytes(statement: string): Uint8Array {
  return new TextEncoder().encode(`thinman/1/statement\n${statement}`);
}

/** The text that is signed. */
export function encodeStatement(statement: SiteStatement): string {
  return canonicalJson(statement);
}

/** Only a newer statement is taken: higher epoch, or the same epoch and a higher version. */
export function isNewerStatement(candidate: SiteStatement, held: SiteStatement | undefined): boolean {
  if (held === undefined) return true;
  if (candidate.siteId !== held.siteId) return false;
  return candidate.epoch > held.epoch || (candidate.epoch === held.epoch && candidate.version > held.version);
}

/**
 * Two statements of one epoch that was begun twice, on two lines of commits, by a promotion and an accepted or restored database: neither
 * is newer for a server. One that names no epoch is of no other line.
 */
export function isRivalStatement(candidate: SiteStatement, held: SiteStatement): boolean {
  if (candidate.siteId !== held.siteId || candidate.epoch !== held.epoch) return false;
  const [theirs, ours] = [candidate.epochId, held.epochId];
  return theirs !== undefined && ours !== undefined && theirs !== ours;
}
