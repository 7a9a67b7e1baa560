import Type, { type Static } from 'typebox';
import { UserBundle } from './bundle.ts';
import { lengthPrefixed } from './canonical.ts';
import { KdfParameters, LOGIN_INFO } from './kdf.ts';
import { MAX_PASSWORD_LENGTH } from './limits.ts';
import { Base64Url, LoginName, ObjectName, Uuid } from './names.ts';
import { closed } from './objects/shape.ts';
import { ServerState } from './status.ts';
import { Version } from './versioned.ts';

/**
 * With `POST /v1/login`: the newest version of the User object that the device knows, as `epoch.generation`. A server that has an
 * older one answers `user_outdated`: its verdict would be ignored, and is no failure. A header: servers before it pass it over.
 */
export const KNOWN_SUBJECT_HEADER = 'thinman-known-subject';

/**
 * With `POST /v1/login` and `/v1/session/vouch`, when they prove a session that is open already: its loginId. The server looks whether
 * it has been ended meanwhile, and counts it as old as it is. A header: servers before it pass it over.
 */
export const PROVED_SESSION_HEADER = 'thinman-proved-session';

/** Beside it: when that session began, in Unix ms. Its loginId was dated by what the device took for the time then, this by what it knows now. */
export const SESSION_BEGAN_HEADER = 'thinman-session-began';

/** `POST /v1/login/begin`: how does this user log in? Unknown names get a stable false answer. */
export const LoginBeginRequest = closed({ user: LoginName });
export type LoginBeginRequest = Static<typeof LoginBeginRequest>;

/** A local user: the password stays on the device, which proves that it knows it. */
export const DerivedMethod = Type.Object({
  method: Type.Literal('derived'),
  salt: Base64Url(128),
  kdf: KdfParameters,
  /** Version of the User object that this rests on; an older one than the device knows is ignored. */
  subject: Version,
});
export type DerivedMethod = Static<typeof DerivedMethod>;

/** Directory users: the password itself goes to the server, inside the mutual TLS. */
export const PasswordMethod = Type.Object({ method: Type.Literal('password') });
export type PasswordMethod = Static<typeof PasswordMethod>;

/** How this user logs in. For unknown names a stable false answer, the same on all servers. */
export const LoginBeginAnswer = Type.Union([DerivedMethod, PasswordMethod]);
export type LoginBeginAnswer = Static<typeof LoginBeginAnswer>;

const attempt = {
  /** UUIDv7, the same for all attempts of one login, to whichever server; the session's id is the same. */
  loginId: Uuid,
  user: LoginName,
  /** ETag of the user's bundle that the device holds *and could open*. */
  held: Type.Optional(Type.String({ maxLength: 64 })),
};

/** `POST /v1/login`: one round trip. The proof is bound to this server's key and this device's key. */
export const DerivedLoginRequest = closed({
  ...attempt,
  method: Type.Literal('derived'),
  /** The salt and the parameters that the proof rests on: others now → `salt_changed`. */
  salt: Base64Url(128),
  kdf: closed(KdfParameters.properties),
  proof: Base64Url(128),
});
/** `POST /v1/login` of a directory's user, inside the mutual TLS. */
export const PasswordLoginRequest = closed({
  ...attempt,
  method: Type.Literal('password'),
  password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
});
/** `POST /v1/login`. */
export const LoginRequest = Type.Union([DerivedLoginRequest, PasswordLoginRequest]);
export type LoginRequest = Static<typeof LoginRequest>;
export type DerivedLoginRequest = Static<typeof DerivedLoginRequest>;
export type PasswordLoginRequest = Static<typeof PasswordLoginRequest>;

/** What is signed by the user's key (`design.md`, idea 6). Hashes are SHA-256 of the SPKI, base64url. */
export type LoginProofParts = {
  readonly siteId: string;
  readonly serverKeyHash: string;
  readonly deviceKeyHash: string;
  readonly user: string;
  readonly loginId: string;
};

/** What the proof signs: good for one server, one device, one user, one login. */
export function loginProofBytes(parts: LoginProofParts): Uint8Array {
  return lengthPrefixed([
    LOGIN_INFO,
    parts.siteId,
    parts.serverKeyHash,
    parts.deviceKeyHash,
    parts.user,
    parts.loginId,
  ]);
}

/** A session token (JWT, 15 minutes) and when it ends, in Unix ms. */
export const Session = Type.Object({
  /** A JWT of the server; opaque to the agent. */
  token: Type.String({ maxLength: 4096 }),
  /** Unix milliseconds by the server's clock. */
  expiresAt: Type.Integer(),
});
export type Session = Static<typeof Session>;

/** A granted login. Denials are problem documents of scope `verdict`, with `subject` and `serverTime`. */
export const LoginGranted = Type.Object({
  verdict: Type.Literal('granted'),
  loginId: Uuid,
  subject: Version,
  /** The user's credential that the proof fitted: a device compares it with later words about this user. */
  credentialVersion: Type.Integer({ minimum: 0 }),
  server: Type.Object({ name: ObjectName, state: ServerState, version: Version }),
  serverTime: Type.Integer(),
  session: Session,
  /** The user's bundle, or `unchanged` with the version up to which the held one is current. */
  bundle: Type.Union([
    UserBundle,
    Type.Object({ unchanged: Type.Literal(true), etag: Type.String(), version: Version }),
  ]),
  /** By a serving Primary: the key is to be replaced by one of this cost (`POST /v1/password`); older agents pass it over. */
  raise: Type.Optional(KdfParameters),
  /** What the key of a directory user's row on the device is to cost (the site's `kdf`); servers before it say nothing. */
  sealing: Type.Optional(KdfParameters),
  /** A password that expires soon, or has expired while no Primary is reachable. */
  warning: Type.Optional(Type.String({ maxLength: 256 })),
});
export type LoginGranted = Static<typeof LoginGranted>;

/** 409 `salt_changed`: the problem document carries what holds now. */
export const SaltChanged = Type.Object({ code: Type.Literal('salt_changed'), now: DerivedMethod });
export type SaltChanged = Static<typeof SaltChanged>;

/** Session calls carry the token in `authorization: Bearer …` beside the device's certificate. */
export const SessionRefreshed = Type.Object({ session: Session, subject: Version, serverTime: Type.Integer() });
export type SessionRefreshed = Static<typeof SessionRefreshed>;

/**
 * `POST /v1/session/vouch`: an offline session of a directory's user, whose password is not typed again. The server asks the directory
 * by its service account, and vouches for it, where this user has logged in on this device lately. Answered as a login is;
 * `session_invalid`: only the password tells.
 */
export const VouchRequest = closed({ ...attempt, userId: Uuid });
export type VouchRequest = Static<typeof VouchRequest>;

/** `POST /v1/logout`. An expired token still ends its session. */
export const LogoutAnswer = Type.Object({ ended: Type.Boolean() });
export type LogoutAnswer = Static<typeof LogoutAnswer>;
