import {
  type Connection,
  DEFAULT_KDF,
  DEFAULT_OFFLINE_RULES,
  type DerivedMethod,
  type KdfParameters,
  type LoginGranted,
  type LoginRequest,
  NO_VERSION,
  type Problem,
  problem,
  type UserBundle,
  type UserWord,
  type Version,
} from '@thinman/protocol';

/** One user as a site keeps it. A password is set with a new salt; a deleted user stays as a tombstone. */
export type ModelUser = {
  readonly userId: string;
  readonly name: string;
  readonly password: string;
  readonly salt: string;
  readonly credentialVersion: number;
  readonly disabled: boolean;
  readonly deleted: boolean;
  /** Generation of the last write that touched it. */
  readonly generation: number;
  readonly offlineAllowed: boolean;
  /** Logs in by the password itself. */
  readonly ofDirectory?: boolean;
  /** Of an excluded group: devices keep nothing. */
  readonly isExcluded?: boolean;
  readonly connections?: readonly Connection[];
};

/** What one server holds: a state of the site, the newest or an older one. Immutable. */
export type SiteView = {
  /** What keys of directory users' rows are to cost. */
  readonly sealing?: KdfParameters;
  readonly generation: number;
  readonly users: Readonly<Record<string, ModelUser>>;
  /** Generation of the commit that revoked the device. */
  readonly revokedAt?: number | undefined;
};

export const EPOCH = 1;
const HOUR_MS = 3_600_000;
export const versionOf = (generation: number): Version => ({ epoch: EPOCH, generation });

/** A site with one user. */
export function siteWith(name: string, password: string): SiteView {
  const user: ModelUser = {
    userId: '00000000-0000-4000-8000-00000000000a',
    name,
    password,
    salt: saltOf(1),
    credentialVersion: 1,
    disabled: false,
    deleted: false,
    generation: 2,
    offlineAllowed: true,
  };
  return { generation: 2, users: { [name]: user } };
}

/** A commit that changes one user; with no change, one that concerns others. */
export function commit(view: SiteView, name?: string, change: Partial<ModelUser> = {}): SiteView {
  const generation = view.generation + 1;
  const user = name === undefined ? undefined : view.users[name];
  if (name === undefined || user === undefined) return { ...view, generation };
  const credential = change.password === undefined ? {} : { credentialVersion: user.credentialVersion + 1 };
  const salt = change.password === undefined ? {} : { salt: saltOf(user.credentialVersion + 1) };
  const changed: ModelUser = { ...user, ...credential, ...salt, ...change, generation };
  return { ...view, generation, users: { ...view.users, [name]: changed } };
}

/** A proof of the model: readable, and bound to what a real one is bound to. */
export const modelProof = (password: string, salt: string, serverKeyHash: string, loginId: string) =>
  `${password}|${salt}|${serverKeyHash}|${loginId}`;

export type ServerFacts = { readonly name: string; readonly keyHash: string; readonly nowMs: number };

/** How a server with this view answers a login: salt, then credential, then the account. */
export function answerLogin(view: SiteView, request: LoginRequest, server: ServerFacts): LoginGranted | Problem {
  const { nowMs: serverTime } = server;
  if (view.revokedAt !== undefined) {
    return problem('device_revoked', { subject: versionOf(view.revokedAt), serverTime });
  }
  const user = view.users[request.user];
  const subject = versionOf(subjectOf(view, user));
  if (request.method === 'password') {
    if (user?.ofDirectory !== true || user.password !== request.password) {
      return problem(user?.ofDirectory === true ? 'credentials_invalid' : 'bad_request', { serverTime });
    }
    if (user.disabled) return problem('account_disabled', { serverTime, userId: user.userId });
    return grantOf(view, user, request, NO_VERSION, server);
  }
  const method = derivedMethodOf(view, request.user);
  if (request.salt !== method.salt) return { ...problem('salt_changed', { serverTime }), now: method } as Problem;
  const right =
    user !== undefined && request.proof === modelProof(user.password, user.salt, server.keyHash, request.loginId);
  if (user === undefined || user.deleted || !right) return problem('credentials_invalid', { subject, serverTime });
  if (user.disabled) return problem('account_disabled', { subject, serverTime });
  return grantOf(view, user, request, subject, server);
}

function grantOf(
  view: SiteView,
  user: ModelUser,
  request: LoginRequest,
  subject: Version,
  server: ServerFacts,
): LoginGranted {
  const { nowMs: serverTime } = server;
  const bundle = bundleOf(view, user);
  return {
    verdict: 'granted',
    loginId: request.loginId,
    subject,
    credentialVersion: user.credentialVersion,
    server: { name: server.name, state: 'serving', version: versionOf(view.generation) },
    serverTime,
    session: { token: `token of ${request.loginId}`, expiresAt: serverTime + HOUR_MS },
    bundle: request.held === bundle.etag ? { unchanged: true, etag: bundle.etag, version: bundle.version } : bundle,
    ...(user.ofDirectory === true && view.sealing !== undefined && { sealing: view.sealing }),
  };
}

export function methodOf(view: SiteView, name: string): DerivedMethod | { readonly method: 'password' } {
  return view.users[name]?.ofDirectory === true ? { method: 'password' } : derivedMethodOf(view, name);
}

/** Salt and parameters; unknown and deleted users get a false salt of their own. */
function derivedMethodOf(view: SiteView, name: string): DerivedMethod {
  const user = view.users[name];
  const salt = user === undefined || user.deleted ? FALSE_SALT : user.salt;
  return { method: 'derived', salt, kdf: DEFAULT_KDF, subject: versionOf(subjectOf(view, user)) };
}

export function wordsOf(view: SiteView, userIds: readonly string[]): readonly UserWord[] {
  return userIds.flatMap(userId => {
    const user = Object.values(view.users).find(each => each.userId === userId);
    if (user === undefined) return [];
    return {
      userId,
      state: user.deleted ? ('deleted' as const) : user.disabled ? ('disabled' as const) : ('ok' as const),
      credentialVersion: user.deleted ? 0 : user.credentialVersion,
      offlineAllowed: user.offlineAllowed,
      subject: versionOf(user.generation),
    };
  });
}

export function bundleOf(view: SiteView, user: ModelUser): UserBundle {
  return {
    version: versionOf(view.generation),
    etag: `etag-${user.userId.at(-1)}-${user.offlineAllowed}-${user.isExcluded === true}`,
    user: { id: user.userId, name: user.name, displayName: null, groups: [] },
    settings: {},
    profile: { connections: [...(user.connections ?? [])] },
    offline: {
      ...{ ...DEFAULT_OFFLINE_RULES, allowed: user.offlineAllowed },
      ...(user.isExcluded === true && { allowed: false, keep: false }),
    },
  };
}

/** Unknown users borrow the subject of another object; here the server's own version. */
const subjectOf = (view: SiteView, user: ModelUser | undefined) => user?.generation ?? view.generation;

const FALSE_SALT = Buffer.alloc(16, 0xff).toString('base64url');
const saltOf = (n: number) => Buffer.alloc(16, n).toString('base64url');
