import type {
  AgentMode,
  AgentTimings,
  KdfParameters,
  ServerRole,
  ServerState,
  SiteStatement,
  Version,
} from '@thinman/protocol';

/**
 * Everything that the agent decides by. Immutable: a transition gives a new one. All times are milliseconds of the monotonic
 * clock unless a name says `wall`; nothing secret is in here (passwords, keys and tokens stay in the runner, by loginId).
 *
 * Two questions have two fields: `connectivity` (is there a server, and which) and `session` (who works here). Neither is
 * derived from the other: a person stays signed in when the link drops.
 */
export type AgentState = {
  readonly phase: Phase;
  readonly site: SiteFacts;
  /** The order of preference, as the site signed it. Never reordered: health is kept beside it, by name. */
  readonly servers: readonly ServerEntry[];
  readonly health: Readonly<Record<string, ServerHealth>>;
  readonly connectivity: Connectivity;
  readonly session: Session;
  /** The login that is being decided; the others wait in order. */
  readonly login: Login | null;
  readonly waitingLogins: readonly WaitingLogin[];
  readonly failback: FailbackMemory;
  /** How long the site's devices take to come to another server one after the other, by the last hello; 0: all may come at once. */
  readonly crowdMs: number;
  /** Newest version at which a server accepted this device: what a word about its revocation must not be older than. */
  readonly accepted: Version;
  /** Versions of the bundles held, and the newest of all that was held: none ever goes back. */
  readonly held: { readonly device: Version; readonly user: Version; readonly newest: Version };
  readonly pulls: { readonly device: Pull; readonly user: Pull };
  readonly delivery: Delivery;
  /** Next attempt id. A result whose attempt nobody waits for is dropped. */
  readonly nextAttempt: number;
};

export type Phase =
  /** Built, not started. */
  | 'new'
  /** Reacts to events. */
  | 'running'
  /** Over: no event has an effect any more. */
  | 'stopped';

/** The numbers (`failover.md`, "The agent"); servers send them in the device bundle. */
export type AgentPolicy = AgentTimings;

/** What of the signed statement rules decisions, beside the list. */
export type SiteFacts = Pick<
  SiteStatement,
  'siteId' | 'epoch' | 'version' | 'directorySuffixes' | 'directoryPlainNames'
>;

export type ServerEntry = {
  readonly name: string;
  readonly url: string;
  readonly role: ServerRole;
  /** Its identity: the same name with another key is another server. */
  readonly keyHash: string;
};

/** What is known of one server. Replaced, never mutated. */
export type ServerHealth = {
  /** What it last said of itself; `unknown` since the last search began. */
  readonly heard: ServerState | 'unknown';
  readonly breaker: Breaker;
  /** Hard failures in a row; forgotten when it really serves (a hello, a login), not by a probe alone. */
  readonly failures: number;
  readonly roundTripMs: number | undefined;
  /** The one background probe in flight. Never in a login's path. */
  readonly probe: { readonly attempt: number; readonly purpose: ProbePurpose } | undefined;
  /** Good probes in a row while a failback to it is considered, and when the first of them was. */
  readonly good: { readonly count: number; readonly since: number } | undefined;
  /** Why it last gave no usable answer: a failure's reason or an error code. */
  readonly lastError: string | null;
  /** Trouble with its identity has been reported since it last proved it. */
  readonly alarmed: boolean;
  /** Its channels did not hold, so many times in a row: until then none is opened. Logins need none, and go there all the same. */
  readonly unsteady: { readonly times: number; readonly until: number } | undefined;
};

export type Breaker =
  /** May be asked. */
  | { readonly kind: 'closed' }
  /** Failed hard: not asked until a background probe is answered. The next one goes out at `probeAt`. */
  | { readonly kind: 'open'; readonly probeAt: number };

export type ProbePurpose =
  /** Who serves? Asked of all when there is no channel, or a better server is sought. */
  | 'search'
  /** Is a server with an open breaker back? */
  | 'breaker'
  /** Is an earlier server fit to go back to? */
  | 'failback'
  /** A login's answer is slow, or the network changed: is the server there at all? */
  | 'suspicion';

export type Connectivity =
  /** No channel to any server. */
  | {
      readonly kind: 'disconnected';
      readonly since: number;
      /** The server that was lost, for the story of the failover; null at start and once offline was announced. */
      readonly lost: string | null;
      /** `offline` was told: all servers are known not to serve. */
      readonly announced: boolean;
      readonly search: Search;
    }
  /** A channel is open, and its server has said hello. */
  | {
      readonly kind: 'connected';
      readonly since: number;
      readonly server: string;
      readonly channel: number;
      /** What is being prepared beside it: make before break. */
      readonly move: Move;
      readonly failbackProbeAt: number;
    };

export type Search =
  /** Every server has been asked. Until `patienceUntil` an earlier server that has not answered holds back later ones. */
  | { readonly kind: 'asking'; readonly patienceUntil: number; readonly waitMs: number }
  /** The chosen server's channel is being opened. */
  | { readonly kind: 'opening'; readonly opening: Opening; readonly waitMs: number }
  /**
   * The server was lost, most likely by all of its devices: they come to the next one one after the other. At `until` everybody is
   * asked, or as soon as somebody logs in.
   */
  | { readonly kind: 'dispersing'; readonly until: number; readonly waitMs: number }
  /** All are down; they are asked again at `until`. */
  | { readonly kind: 'waiting'; readonly until: number; readonly waitMs: number };

export type Opening = {
  readonly server: string;
  readonly channel: number;
  /** No hello by then: a hard failure. */
  readonly helloBy: number;
};

export type MoveReason =
  /** An earlier server of the list is good again. */
  | 'failback'
  /** The current server is degraded. */
  | 'degraded'
  /** The current server is being stopped. */
  | 'goaway'
  /** The current server does not answer, though its channel has not died yet. */
  | 'suspect';

export type Move =
  /** Nothing better is known. */
  | { readonly kind: 'none' }
  /** Will be looked into at `at`: the delay spreads devices apart. `to`: where to, if that is known already. */
  | { readonly kind: 'due'; readonly why: MoveReason; readonly to: string | null; readonly at: number }
  /** The others have been asked which of them serves. */
  | { readonly kind: 'seeking'; readonly why: MoveReason; readonly patienceUntil: number }
  /** The better server's channel is being opened; the old one closes when it has said hello. */
  | { readonly kind: 'opening'; readonly why: MoveReason; readonly opening: Opening };

/** What makes a device slow to go back where it failed before. Not kept over a restart. */
export type FailbackMemory = {
  /** How long an earlier server must have been good, beyond the number of probes; 0 until a failback was regretted. */
  readonly regretWaitMs: number;
  readonly last: { readonly server: string; readonly at: number } | null;
};

export type Session =
  /** Nobody is signed in. */
  | { readonly kind: 'none' }
  /** A person works here. */
  | {
      readonly kind: 'open';
      readonly user: string;
      readonly userId: string;
      /** Id of the login (and of the server's session) behind it. */
      readonly loginId: string;
      readonly mode: AgentMode;
      readonly sinceWallMs: number;
      readonly credentialVersion: number;
      readonly standing: SessionStanding;
      /** Left alone: it ends then, if nobody comes back. A login is somebody who does. */
      readonly idleUntil?: number | undefined;
      /** Left alone: the screen locks then. */
      readonly lockAt?: number | undefined;
      /** The screen is locked: the session goes on, and a login of its user opens it again (ADR 0082). */
      readonly screen?: 'locked' | undefined;
    };
type OpenSession = Extract<Session, { kind: 'open' }>;

/** What outlives the agent of a session: who it is of, and nothing that would let anybody in. */
export type KeptSession = Pick<
  OpenSession,
  'user' | 'userId' | 'loginId' | 'mode' | 'sinceWallMs' | 'credentialVersion'
>;

export type SessionStanding =
  /** A server vouches for it by a token. */
  | {
      readonly kind: 'vouched';
      readonly refreshAt: number;
      readonly expiresAt: number;
      readonly attempt: number | undefined;
    }
  /** Opened (or outlived its token) without a server: proved anew as soon as one is connected. */
  | { readonly kind: 'unproved'; readonly retryAt: number; readonly attempt: number | undefined }
  /** Cannot be proved without the password, which must be typed again. So it is after each start of the agent. */
  | { readonly kind: 'locked' };

/** One login, from the typed password to the verdict. */
export type Login = {
  readonly loginId: string;
  readonly user: string;
  readonly startedAt: number;
  /** End of the online attempt; then the device decides. */
  readonly deadlineAt: number;
  readonly stage: LoginStage;
  readonly method: LoginMethod;
  readonly keys: Keys;
  /** What the device knew of this user when the login began. */
  readonly cached: CachedFacts | undefined;
  /** Newest version of the User object heard of, here or earlier: older answers are ignored. */
  readonly subject: Version | undefined;
  /** Servers of this login, in the order in which they were asked. */
  readonly lanes: readonly Lane[];
  readonly row: RowTry;
  readonly saltChanged: boolean;
  /** One more server was due, and all others were believed dead: the first of them that shows life is asked. */
  readonly lacksServer: boolean;
};

export type WaitingLogin = { readonly loginId: string; readonly user: string; readonly requestedAt: number };

export type LoginStage =
  /** What the device knows of the user is being read. */
  | { readonly kind: 'reading' }
  /** Servers are being asked. */
  | { readonly kind: 'asking' }
  /** No server is left but those believed dead: these were asked for a sign of life, until `until`. */
  | { readonly kind: 'last_resort'; readonly until: number }
  /** No server gave a final answer: what an offline login needs is being read. */
  | { readonly kind: 'weighing' }
  /** The failure is counted; the cached row is being opened. */
  | { readonly kind: 'opening_row' };

export type LoginMethod =
  /** Never logged in here: a server must say how this user logs in. */
  | { readonly kind: 'unknown' }
  /** By proof: the password stays here. */
  | { readonly kind: 'derived'; readonly salt: string; readonly kdf: KdfParameters }
  /** A directory's user: the password goes to the server. */
  | { readonly kind: 'password' };

/**
 * The cached row, where it is opened before the servers believed dead have been given up: whether it may be is being read; it is being opened,
 * and that is counted; it may not be; or what came of it.
 */
export type RowTry = 'untried' | 'reading' | 'trying' | 'barred' | 'opened' | 'refused' | 'damaged';

/** Keys derived from the typed password; they themselves lie in the runner. */
export type Keys =
  | { readonly kind: 'none' }
  | { readonly kind: 'deriving'; readonly salt: string }
  /** `opens`: the cached row opened with them (`undefined`: there is none, or it rests on another salt). */
  | { readonly kind: 'ready'; readonly salt: string; readonly opens: boolean | undefined };

/** The cached row, as far as decisions need it. */
export type CachedFacts = {
  readonly userId: string;
  readonly method: 'derived' | 'password';
  readonly salt: string;
  readonly kdf: KdfParameters;
  readonly credentialVersion: number;
};

/** One server's part in one login. */
export type Lane = {
  readonly server: string;
  /** Attempt id of its `/readyz` probe while that is out. */
  readonly probe: number | undefined;
  /** What it has been asked; undefined while keys are being derived, or after its answer was of no use. */
  readonly request: LaneRequest | undefined;
  /** It has shown life since the login began. */
  readonly alive: boolean;
  /** When the next server is asked as well; undefined once that has happened. */
  readonly hedgeAt: number | undefined;
  /** It has given what it had to give. */
  readonly over: boolean;
  /** A password was sent there and the connection ended: it may have been counted, and is repeated there alone, once it shows life. */
  readonly cut?: true;
};
export type LaneRequest = { readonly attempt: number; readonly what: 'begin' | 'login' };

/** A bundle that must be fetched. */
export type Pull =
  | { readonly kind: 'idle' }
  | { readonly kind: 'wanted'; readonly from: number }
  /** `again`: it changed while it was being fetched. */
  | { readonly kind: 'running'; readonly attempt: number; readonly again: boolean };

/** The outbox on its way. */
export type Delivery =
  /** Nothing is waiting, as far as is known. */
  | { readonly kind: 'idle' }
  /** Events wait; they may go from `from` on. */
  | { readonly kind: 'pending'; readonly from: number; readonly failures: number }
  | { readonly kind: 'running'; readonly attempt: number; readonly failures: number };

/** Its channel still lives: one failed request is no proof that a server is dead, a failed background probe after it is. */
export function isSuspect({ breaker, failures }: ServerHealth): boolean {
  return breaker.kind === 'open' && failures > 1;
}

/** Where the agent stands, for people and for `status`. */
export function modeOf(state: AgentState): AgentMode {
  if (state.connectivity.kind === 'disconnected') return 'offline';
  const health = state.health[state.connectivity.server];
  if (health !== undefined && isSuspect(health)) return 'offline';
  return health?.heard === 'degraded' ? 'degraded' : 'online';
}

/** Who works here must type the password before anything of the session is shown. */
export function isLocked(session: Session): boolean {
  return session.kind === 'open' && (session.screen === 'locked' || session.standing.kind === 'locked');
}

/** What of the session is to be found again after a restart. */
export function keptOf({ session }: AgentState): KeptSession | undefined {
  if (session.kind !== 'open') return undefined;
  const { user, userId, loginId, mode, sinceWallMs, credentialVersion } = session;
  return { user, userId, loginId, mode, sinceWallMs, credentialVersion };
}

/** The first connection was made, or every server is known not to answer: what `READY` waits for. */
export function isDecided(state: AgentState): boolean {
  return state.connectivity.kind === 'connected' || state.connectivity.announced;
}
