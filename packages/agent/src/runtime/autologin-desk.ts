import {
  type AgentStatus,
  type EffectiveSettings,
  isOlder,
  type LoginResult,
  NO_VERSION,
  type Version,
} from '@thinman/protocol';
import { doubling } from '../core/backoff.ts';
import { type AgentState, isLocked } from '../core/state.ts';
import type { Clock } from '../ports.ts';

export const AUTOLOGIN = 'session.autologin';

/** No server, no cached login: it is tried again this soon, doubling … */
const RETRY_MS = 10_000;
/** … up to this, and at once when a server is there. */
const MAX_RETRY_MS = 5 * 60_000;
/** A refused password: each try is one of the thirty an hour that a device has for all its users … */
const WRONG_RETRY_MS = 10 * 60_000;
const MAX_WRONG_RETRY_MS = 60 * 60_000;
/** … and of a refused account a right password counts for nothing: what its directory changes, nobody tells the device. */
const REFUSED_RETRY_MS = 2 * 60_000;
const MAX_REFUSED_RETRY_MS = 10 * 60_000;
/** A word of the server is followed at once, but not more often: an administrator may change one thing after the other. */
const NEWS_MS = 10_000;
/** A session that ended sooner is not simply begun again: two devices could take it from each other all day. */
const SHORT_SESSION_MS = 60_000;

/** What more tries do not mend, but an administrator. */
const REFUSED: readonly (string | null)[] = [
  'credentials_invalid',
  'account_locked',
  'account_disabled',
  'account_expired',
  'password_expired',
  'not_permitted',
  'device_revoked',
];

type Account = { readonly user: string; readonly password: string };

/** The account that the device's policy names; undefined: people log in. */
export function autologinOf(settings: EffectiveSettings | undefined): Account | undefined {
  const value = settings?.[AUTOLOGIN];
  if (typeof value !== 'object' || value === null) return undefined;
  const [user, password] = [Reflect.get(value, 'user'), Reflect.get(value, 'password')];
  return typeof user === 'string' && typeof password === 'string' ? { user, password } : undefined;
}

/**
 * Signs the account of a kiosk in, at start and whenever nobody else is signed in, with no person there (ADR 0083). It is an ordinary
 * login: online, on the Secondary, or offline from the cache. Nobody waits in its way: a login that a person has begun is decided first.
 */
export function createAutologinDesk(deps: {
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  state(): AgentState;
  settings(): EffectiveSettings | undefined;
  login(account: Account): Promise<LoginResult>;
  /** Whether two typed names may mean one person. */
  isSame(user: string, other: string): boolean;
  /** The session that is open was this account's, which the policy names no more. */
  end(): void;
}) {
  const { clock } = deps;
  let account: Account | undefined;
  /** Whom this agent has signed in by itself. */
  let signedIn: string | undefined;
  let isTrying = false;
  let isStopped = false;
  let failures = 0;
  /** Sessions of its own, one after the other, that ended soon. */
  let shortSessions = 0;
  let notBefore = 0;
  let grantedAt: number | undefined;
  let reason: string | null = null;
  /** A server has said so: to the same question it would say it again … */
  let isFinal = false;
  /** … while the site is as it was then. */
  let askedAt: Version = NO_VERSION;
  let triedAt = Number.NEGATIVE_INFINITY;
  let wasConnected = false;
  let cancelTimer = () => {};

  function takePolicy(): void {
    const next = autologinOf(deps.settings());
    if (next?.user === account?.user && next?.password === account?.password) return;
    account = next;
    [failures, shortSessions, notBefore, reason, isFinal] = [0, 0, 0, null, false];
    const { session } = deps.state();
    const isOther = signedIn !== undefined && next?.user !== signedIn;
    if (isOther && session.kind === 'open' && session.user === signedIn) deps.end();
    if (isOther) signedIn = undefined;
  }

  /** Nobody is signed in, or the account itself since before the agent was started again. */
  function isDue(): boolean {
    const { phase, session, login, waitingLogins } = deps.state();
    if (account === undefined || isTrying || phase !== 'running' || login !== null || waitingLogins.length > 0)
      return false;
    return session.kind === 'none' || (deps.isSame(session.user, account.user) && isLocked(session));
  }

  function noteShortSession(): void {
    if (grantedAt === undefined) return;
    const now = clock.monotonicMs();
    const wasShort = now - grantedAt < SHORT_SESSION_MS;
    shortSessions = wasShort ? shortSessions + 1 : 0;
    if (wasShort) notBefore = now + (shortSessions > 1 ? doubling(shortSessions - 1, RETRY_MS, MAX_RETRY_MS) : 0);
    grantedAt = undefined;
  }

  function noteServer(): void {
    const isConnected = deps.state().connectivity.kind === 'connected';
    // What failed for want of a server: also what the device alone has refused, by a row under the password of before.
    if (isConnected && !wasConnected && !isFinal) notBefore = 0;
    wasConnected = isConnected;
  }

  /** A server tells of a change at once where it is the account's, or the device's own. */
  function noteNews(): void {
    if (isTrying || !isFinal || !isOlder(askedAt, deps.state().held.device)) return;
    askedAt = deps.state().held.device;
    notBefore = Math.min(notBefore, triedAt + NEWS_MS);
  }

  async function attempt(who: Account): Promise<void> {
    isTrying = true;
    [askedAt, triedAt] = [deps.state().held.device, clock.monotonicMs()];
    try {
      const result = await deps.login(who);
      const now = clock.monotonicMs();
      const isRefused = REFUSED.includes(result.reason);
      if (account === who) [reason, isFinal] = [result.reason, isRefused && result.server !== null];
      if (result.verdict === 'granted') {
        [signedIn, grantedAt, failures] = [who.user, now, 0];
      } else {
        failures += 1;
        // Meanwhile the policy may name another: that one has not failed.
        if (account === who) notBefore = now + waitAfter(result, failures);
      }
    } catch {
      // The agent was stopped.
    } finally {
      isTrying = false;
    }
    look();
  }

  function look(): void {
    cancelTimer();
    cancelTimer = () => {};
    if (isStopped) return;
    takePolicy();
    noteServer();
    noteNews();
    if (account === undefined || !isDue()) return;
    noteShortSession();
    const waitMs = notBefore - clock.monotonicMs();
    if (waitMs > 0) cancelTimer = clock.after(waitMs, look);
    else void attempt(account);
  }

  return {
    /** After everything that happens. */
    look,
    isAccount: (user: string): boolean => account !== undefined && deps.isSame(user, account.user),
    status: (): AgentStatus['autologin'] => (account === undefined ? undefined : { user: account.user, reason }),
    stop(): void {
      isStopped = true;
      cancelTimer();
    },
  };
}

function waitAfter({ reason, retryAfterMs }: LoginResult, failures: number): number {
  if (reason === 'not_permitted') {
    const waitMs = doubling(failures, REFUSED_RETRY_MS, MAX_REFUSED_RETRY_MS);
    // Until its hours begin, but not longer: they may be changed, and that is told only to devices whose own policy it is in.
    return Math.max(Math.min(waitMs, retryAfterMs ?? waitMs), RETRY_MS);
  }
  return Math.max(waitOf(reason, failures), retryAfterMs ?? 0);
}

function waitOf(reason: string | null, failures: number): number {
  if (reason === 'credentials_invalid') return doubling(failures, WRONG_RETRY_MS, MAX_WRONG_RETRY_MS);
  return REFUSED.includes(reason)
    ? doubling(failures, REFUSED_RETRY_MS, MAX_REFUSED_RETRY_MS)
    : doubling(failures, RETRY_MS, MAX_RETRY_MS);
}
