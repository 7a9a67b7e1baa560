import Type, { type Static } from 'typebox';
import { Version } from './versioned.ts';

/**
 * What an answer means to an agent (`failover.md`, "Which answer means what").
 * - `verdict`: the final word about this login: no other server, no offline login.
 * - `server`: this server cannot; ask the next one.
 * - `request`: this request is wrong or comes too soon: stop.
 * - `offline`: the device's own decision, told to the user.
 * - `admin`: only administrators meet it.
 */
export type ErrorScope = 'verdict' | 'server' | 'request' | 'offline' | 'admin';

type ErrorEntry = { readonly status: number; readonly scope: ErrorScope; readonly title: string };

/** One table: code → HTTP status → scope → words for people. Codes are a contract and never change meaning. */
export const ERRORS = {
  credentials_invalid: { status: 401, scope: 'verdict', title: 'The user name or the password is wrong.' },
  account_locked: { status: 423, scope: 'verdict', title: 'Too many failed logins: wait, or ask the helpdesk.' },
  account_disabled: { status: 403, scope: 'verdict', title: 'This account is disabled.' },
  account_expired: { status: 403, scope: 'verdict', title: 'This account has expired.' },
  password_expired: { status: 403, scope: 'verdict', title: 'The password has expired and must be changed.' },
  not_permitted: { status: 403, scope: 'verdict', title: 'This user may not log in on this device now.' },
  too_many_sessions: {
    status: 403,
    scope: 'verdict',
    title: 'This user works on as many devices as allowed: log out there first.',
  },
  device_revoked: { status: 403, scope: 'verdict', title: 'This device has been revoked by an administrator.' },

  not_serving: { status: 503, scope: 'server', title: 'This server cannot serve now.' },
  draining: { status: 503, scope: 'server', title: 'This server is being stopped.' },
  overloaded: { status: 503, scope: 'server', title: 'This server has too much to do now.' },
  directory_unavailable: { status: 503, scope: 'server', title: 'The directory (LDAP/AD) does not answer.' },
  directory_undecided: {
    status: 503,
    scope: 'server',
    title: 'The directory (LDAP/AD) has the password and has not answered: nobody else is asked with it.',
  },
  user_outdated: {
    status: 503,
    scope: 'server',
    title: 'This server has an older version of this user than the device knows.',
  },
  device_unknown: { status: 403, scope: 'server', title: 'This server does not know the device.' },
  protocol_unsupported: {
    status: 426,
    scope: 'server',
    title: 'This server does not speak the protocol version sent.',
  },
  internal: { status: 500, scope: 'server', title: 'The server failed; its log says why.' },

  bad_request: { status: 400, scope: 'request', title: 'The request does not have the right form.' },
  login_id_reused: { status: 400, scope: 'request', title: 'This loginId was used for another login.' },
  salt_changed: { status: 409, scope: 'request', title: 'The salt or the parameters of the password have changed.' },
  session_invalid: { status: 401, scope: 'request', title: 'The session is not valid or has ended: log in again.' },
  not_found: { status: 404, scope: 'request', title: 'There is no such thing here.' },
  method_not_allowed: { status: 405, scope: 'request', title: 'This address takes other methods.' },
  too_large: { status: 413, scope: 'request', title: 'The request is too large.' },
  unsupported_media: { status: 415, scope: 'request', title: 'Send JSON (content-type: application/json).' },
  too_many_attempts: { status: 429, scope: 'request', title: 'Too many attempts from this device: wait.' },
  token_invalid: { status: 403, scope: 'request', title: 'The token is unknown, used up, or expired.' },
  password_refused: { status: 422, scope: 'request', title: 'The new password is not accepted.' },
  name_taken: { status: 409, scope: 'request', title: 'An object with this name exists already.' },

  offline_not_allowed: { status: 403, scope: 'offline', title: 'Offline login is not allowed for this user here.' },
  no_cached_login: {
    status: 403,
    scope: 'offline',
    title: 'No server could decide, and this user has not logged in here before.',
  },
  cached_login_expired: {
    status: 403,
    scope: 'offline',
    title: 'No server answers, and the last online login is too long ago.',
  },
  offline_attempts_exhausted: { status: 403, scope: 'offline', title: 'Too many failed offline logins: wait.' },
  clock_went_back: { status: 403, scope: 'offline', title: 'The clock of this device went back: connect it once.' },
  cache_damaged: { status: 403, scope: 'offline', title: 'The local store is damaged: connect once to rebuild it.' },
  primary_needed: {
    status: 503,
    scope: 'offline',
    title: 'Passwords are changed on the Primary, which cannot be reached now.',
  },
  emergency_invalid: {
    status: 403,
    scope: 'offline',
    title: 'The emergency code is wrong, or its challenge is over.',
  },
  session_locked: {
    status: 403,
    scope: 'offline',
    title: 'Somebody else has locked this device, and nobody else may log in meanwhile.',
  },
  autologin_only: {
    status: 403,
    scope: 'offline',
    title: 'This device signs that account in by itself: nobody types its password here.',
  },

  not_primary: { status: 403, scope: 'admin', title: 'Administration happens on the Primary alone.' },
  unauthorized: { status: 401, scope: 'admin', title: 'Log in as an administrator first.' },
  forbidden: { status: 403, scope: 'admin', title: 'Whoever asks may not do that.' },
  invalid_object: { status: 422, scope: 'admin', title: 'An object is not valid.' },
  conflict: { status: 409, scope: 'admin', title: 'The object has changed since it was read.' },
  isolated: {
    status: 503,
    scope: 'admin',
    title:
      'This Primary has seen neither a device nor another server for a minute; another one may have been promoted.',
  },
  epoch_contested: {
    status: 503,
    scope: 'admin',
    title: 'Another Primary has begun the same epoch: administration waits for a decision.',
  },
  database_forked: {
    status: 503,
    scope: 'admin',
    title: 'The database lacks what this server has seen of it: administration waits for a decision.',
  },
  database_unavailable: {
    status: 503,
    scope: 'admin',
    title: 'The database cannot be reached; administration waits for it.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** A stable code of the table. */
export type ErrorCode = keyof typeof ERRORS;
/** The codes of one scope. */
export type CodeOf<S extends ErrorScope> = {
  [C in ErrorCode]: (typeof ERRORS)[C]['scope'] extends S ? C : never;
}[ErrorCode];
/** Why a server denies a login, finally. */
export type VerdictCode = CodeOf<'verdict'>;
/** Why a device denies a login by itself. */
export type OfflineCode = CodeOf<'offline'>;

/** Answers of scope `server` that concern one request only: they open no breaker. */
export const ONE_REQUEST_ONLY: readonly ErrorCode[] = [
  'overloaded',
  'directory_unavailable',
  'directory_undecided',
  'user_outdated',
];

/** RFC 9457. */
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** One mistake in a body or a file: where it is (a JSON pointer or a dotted field) and what is wrong. */
export const FieldProblem = Type.Object({
  field: Type.String(),
  message: Type.String(),
  /** Which object of an `apply` it belongs to: its place in the list, its kind and its name. */
  index: Type.Optional(Type.Integer()),
  kind: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
});
export type FieldProblem = Static<typeof FieldProblem>;

/** One version of an object in a conflict. */
const ConflictingVersion = Type.Object({
  generation: Type.Integer(),
  /** Secrets as `{ secret: set }`, no password. */
  body: Type.Record(Type.String(), Type.Unknown()),
});

/** An object that changed after it was read: what was sent, and what is there now. */
export const Conflict = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  /** Its place in the list of an `apply`. */
  index: Type.Optional(Type.Integer()),
  /** `generation`: the one that it was read at. null: it was to be deleted. */
  yours: Type.Union([ConflictingVersion, Type.Null()]),
  /** null: it does not exist now. */
  current: Type.Union([ConflictingVersion, Type.Null()]),
});
export type Conflict = Static<typeof Conflict>;

/** An RFC 9457 problem document. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String(),
  detail: Type.Optional(Type.String()),
  /** Milliseconds to wait before the same request has a chance. */
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
  /** With verdicts: the version of the User object (or Device object, `device_revoked`) that the answer rests on. */
  subject: Type.Optional(Version),
  /** Unix milliseconds of the answering server. */
  serverTime: Type.Optional(Type.Integer()),
  /** With `account_disabled` for a directory's user, who has many names: whose account it is. */
  userId: Type.Optional(Type.String({ maxLength: 36 })),
  /** With `not_primary`: where administration happens. */
  primaryUrl: Type.Optional(Type.String()),
  problems: Type.Optional(Type.Array(FieldProblem)),
  /** With `conflict`: both versions, of the first 20 objects. */
  conflicts: Type.Optional(Type.Array(Conflict)),
  /** With `protocol_unsupported`: what is spoken here. */
  supported: Type.Optional(Type.Array(Type.Integer())),
});
export type Problem = Static<typeof Problem>;

/** What a problem document may say beside what the table says. */
export type ProblemExtras = Partial<Omit<Problem, 'type' | 'title' | 'status' | 'code'>>;

/** The problem document of a code. */
export function problem(code: ErrorCode, extras: ProblemExtras = {}): Problem {
  const { status, title } = ERRORS[code];
  return { type: `urn:thinman:error:${code}`, title, status, code, ...extras };
}

/** Whether the table has this code. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** The scope of an answer by its code, or by its status where the code is none of ours. */
export function scopeOf(code: string, status: number): ErrorScope {
  if (isErrorCode(code)) return ERRORS[code].scope;
  return status === 400 || status === 413 || status === 429 ? 'request' : 'server';
}
