import Type, { type Static } from 'typebox';
import { Base64Url, ObjectName, Sha256, Uuid } from './names.ts';
import { closed, HttpsUrl } from './objects/shape.ts';
import { SignedStatement } from './statement.ts';
import { DatabaseKind } from './status.ts';
import { Version } from './versioned.ts';

/** `GET /v1/ca`: asked over a connection that trusts nobody and sends nothing; believed only by the token's pin. */
export const CaAnswer = Type.Object({
  certificates: Type.Array(Type.String({ maxLength: 16_384 }), { minItems: 1, maxItems: 4 }),
});
export type CaAnswer = Static<typeof CaAnswer>;

const Csr = Type.String({ maxLength: 16_384 });
const Secret = Base64Url(64);

/** `POST /v1/enroll`. From the CSR only the public key is taken. */
export const EnrollRequest = closed({ secret: Secret, csr: Csr, name: Type.Optional(ObjectName) });
export type EnrollRequest = Static<typeof EnrollRequest>;

/** What a device becomes part of: its certificate, whom it trusts, and the servers. */
export const EnrollAnswer = Type.Object({
  siteId: Uuid,
  deviceId: Uuid,
  name: ObjectName,
  /** PEM. */
  certificate: Type.String(),
  caCertificates: Type.Array(Type.String()),
  statement: SignedStatement,
  /** The commit that made the Device: no server with older data can know it yet. */
  version: Version,
});
export type EnrollAnswer = Static<typeof EnrollAnswer>;

/** Renewed at two thirds, so a device may be away for four months and still renew by itself in time. */
export const DEVICE_CERTIFICATE_LIFETIME_MS = 365 * 24 * 3_600_000;

/**
 * `POST /v1/renew` (a device), `POST /v1/renew-server` (a Secondary): the key stays; the certificate of the TLS connection,
 * valid or expired, says which.
 */
export const RenewRequest = closed({ csr: Csr });
export type RenewRequest = Static<typeof RenewRequest>;
/** A new certificate for the same key, and whom to trust from now on. */
export const RenewAnswer = Type.Object({
  /** PEM; a server's may be followed by the certificate that ties its CA to the one before. */
  certificate: Type.String(),
  caCertificates: Type.Array(Type.String()),
  /** Which of `caCertificates` may be believed: an expired device hears of a changed CA in no other way. */
  statement: Type.Optional(SignedStatement),
});
export type RenewAnswer = Static<typeof RenewAnswer>;

/** `POST /v1/join`: a Secondary becomes a server of the site. */
export const JoinRequest = closed({
  secret: Secret,
  name: ObjectName,
  url: HttpsUrl,
  csr: Csr,
  instance: Uuid,
  sessionKey: Base64Url(64),
  wrappingKey: Base64Url(64),
  /** Of the joiner's source of record: where it does not fit the Primary's, the token stays unused. */
  databaseKind: Type.Optional(DatabaseKind),
});
export type JoinRequest = Static<typeof JoinRequest>;

/** What a server becomes part of. */
export const JoinAnswer = Type.Object({
  siteId: Uuid,
  certificate: Type.String(),
  caCertificates: Type.Array(Type.String()),
  statement: SignedStatement,
  /** The site data key, wrapped to the joiner's X25519 key. */
  wrappedDataKey: Base64Url(512),
  version: Version,
  /** The Primary's kind of source of record: a Secondary needs one of its own or the same. */
  databaseKind: Type.String(),
});
export type JoinAnswer = Static<typeof JoinAnswer>;

/** What an enrolment token says; one pasteable string on the outside. */
export const TokenContent = closed({
  for: Type.Union([Type.Literal('device'), Type.Literal('server')]),
  urls: Type.Array(HttpsUrl, { minItems: 1, maxItems: 16 }),
  /** SHA-256 of the SPKI of the site's CA; two while it is changed. */
  pins: Type.Array(Sha256, { minItems: 1, maxItems: 2 }),
  /** 128 bits, base64url. */
  secret: Secret,
});
export type TokenContent = Static<typeof TokenContent>;
