import { randomBytes } from 'node:crypto';
import {
  isRaised,
  type LoginGranted,
  type LoginRequest,
  type LoginResult,
  NO_VERSION,
  type ThinmanEvent,
  type UserBundle,
} from '@thinman/protocol';
import { wantsPassword } from '../apply/launchers/plan.ts';
import type { Effect, LoginOutcome } from '../core/effect.ts';
import { nextUse } from '../core/retention.ts';
import { sealingCost } from '../core/sealing-cost.ts';
import type { Context } from './context.ts';
import type { EmergencyDesk } from './emergency-desk.ts';
import type { Grants, LoginEvents } from './grants.ts';
import { heard } from './heard.ts';
import type { Secrets } from './keyring.ts';
import type { PasswordDesk } from './password-desk.ts';
import { unlessTrouble } from './store.ts';

/** As the protocol has it. */
const MAX_ETAG_LENGTH = 64;

type Do<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** The agent was stopped before this login was decided. */
export class AgentStopped extends Error {
  override readonly name = 'AgentStopped';
  constructor() {
    super('the agent was stopped before the login was decided');
  }
}

type Caller = {
  readonly startedMs: number;
  resolve(result: LoginResult): void;
  reject(error: AgentStopped): void;
};

/** Everything about logins that needs a password, a key, a token or the disk. */
export function createLoginDesk(
  context: Context,
  { openRow, bundleOf, saveGrant, late, grantFacts, derivedRequest }: Grants,
  emergency: Pick<EmergencyDesk, 'inForce' | 'used'>,
  passwords: Pick<PasswordDesk, 'raise'>,
) {
  const { client, cache, clock, keyring, attempts, dispatch, time } = context;
  const callers = new Map<string, Caller>();
  /** What a grant gave, until the caller has been told. */
  const given = new Map<string, { readonly bundle: UserBundle; readonly warning?: string | undefined }>();

  function loginEvent(loginId: string, user: string, outcome: LoginOutcome): ThinmanEvent {
    const { verdict, mode } = outcome;
    const rests =
      outcome.verdict === 'granted' && outcome.by === 'device'
        ? { server: null, subject: knownSubject(user) ?? null }
        : { server: outcome.server, subject: outcome.subject ?? null };
    const reason = outcome.verdict === 'denied' ? outcome.reason : null;
    const byCode = outcome.verdict === 'granted' && outcome.by === 'device' && emergency.inForce(user) !== undefined;
    const data = {
      ...{ verdict, reason, mode, ...rests, elapsedMs: elapsedMs(loginId) },
      ...(byCode && { emergency: true }),
    };
    return { id: loginId, type: 'login', at: context.nowMs(), user, data };
  }

  function knownSubject(user: string) {
    return unlessTrouble(() => cache.knownSubject(user))?.done;
  }

  function elapsedMs(loginId: string): number {
    const caller = callers.get(loginId);
    return caller === undefined ? 0 : Math.round((clock.monotonicMs() - caller.startedMs) * 10) / 10;
  }

  function commitGrant(secrets: Secrets, granted: LoginGranted, bundle: UserBundle, events: LoginEvents): void {
    const saved = unlessTrouble(() => saveGrant(secrets, granted, bundle, events));
    if (saved === undefined || secrets.method !== 'password') return;
    // A row that is held costs what it cost when it was made: a key of the site's cost follows, and replaces it.
    const heldKdf = secrets.cached?.kdf;
    const { kdf, refusal } = sealingCost(granted.sealing, heldKdf);
    if (refusal !== undefined) context.record('alarm.kdf', { server: granted.server.name, why: refusal }, secrets.user);
    if (!saved.done || heldKdf === undefined || isRaised(kdf, heldKdf)) late.add(secrets, granted, bundle, kdf);
  }

  function resultOf(
    loginId: string,
    user: string,
    outcome: LoginOutcome,
    grant: { readonly bundle: UserBundle; readonly warning?: string | undefined } | undefined,
  ): LoginResult {
    const isDenied = outcome.verdict === 'denied';
    const rests = grant?.bundle.version ?? (isDenied ? outcome.subject : undefined) ?? knownSubject(user) ?? NO_VERSION;
    return {
      verdict: outcome.verdict,
      reason: isDenied ? outcome.reason : null,
      mode: outcome.mode,
      server: isDenied || outcome.by === 'server' ? outcome.server : null,
      user,
      epoch: rests.epoch,
      generation: rests.generation,
      elapsedMs: elapsedMs(loginId),
      ...(grant !== undefined && { profile: grant.bundle.profile }),
      ...(grant?.warning !== undefined && { warning: grant.warning }),
      ...(isDenied && outcome.retryAfterMs !== undefined && { retryAfterMs: outcome.retryAfterMs }),
    };
  }

  return {
    request(loginId: string, user: string, password: string): Promise<LoginResult> {
      keyring.open(loginId, user, password, clock.monotonicMs());
      return new Promise<LoginResult>((resolve, reject) => {
        callers.set(loginId, { startedMs: clock.monotonicMs(), resolve, reject });
        dispatch({ kind: 'loginRequested', loginId, user });
      });
    },

    readUser({ loginId, user }: Do<'readUser'>): void {
      const secrets = keyring.get(loginId);
      const cached = unlessTrouble(() => cache.cachedLogin(user))?.done;
      if (secrets !== undefined) {
        secrets.cached = cached;
        secrets.before = cached?.bundleEtag;
        // Also of a login that no server is asked about.
        secrets.method = cached?.method ?? secrets.method;
        // The machine will ask for it, and gets this one: whatever is read meanwhile, nobody waits for.
        if (cached !== undefined) keyring.derive(secrets, cached.salt, cached.kdf).catch(() => {});
      }
      dispatch({ kind: 'userRead', loginId, cached, subject: knownSubject(user) });
    },

    async derive({ loginId, salt, kdf }: Do<'derive'>): Promise<void> {
      const secrets = keyring.get(loginId);
      if (secrets === undefined) return;
      if ((await keyring.derive(secrets, salt, kdf)) === undefined || keyring.get(loginId) !== secrets) return;
      const opens = secrets.cached?.salt === salt ? openRow(secrets) : undefined;
      dispatch({ kind: 'derived', loginId, salt, opens });
    },

    sendBegin({ attempt, server, loginId, deadlineMs }: Do<'sendBegin'>): void {
      const user = keyring.get(loginId)?.user ?? '';
      attempts.run(
        attempt,
        server,
        deadlineMs,
        (target, signal) => client.begin(target, user, signal),
        answer => dispatch({ kind: 'beginAnswered', attempt, server, answer: heard(answer, value => value) }),
      );
    },

    sendLogin({ attempt, server, loginId, method, held, known, deadlineMs }: Do<'sendLogin'>): void {
      const secrets = keyring.get(loginId);
      if (secrets === undefined) return;
      secrets.method = method;
      const { user, password = '', cached } = secrets;
      // Whoever sees how long the request is must not learn whether the password opened the row: a claim of nothing has the same length.
      const claim = cached === undefined ? {} : { held: held ? cached.bundleEtag : noEtag(cached.bundleEtag) };
      attempts.run(
        attempt,
        server,
        deadlineMs,
        async (target, signal) => {
          const request: LoginRequest | undefined =
            method === 'password'
              ? { method, loginId, user, password }
              : derivedRequest(secrets, loginId, target.keyHash);
          if (request === undefined) return { kind: 'failed', reason: 'aborted', detail: 'no keys', elapsedMs: 0 };
          return client.login(target, { ...request, ...claim }, known, signal);
        },
        answer => {
          const facts = heard(answer, granted => grantFacts(secrets, loginId, attempt, granted));
          dispatch({ kind: 'loginAnswered', attempt, server, answer: facts });
        },
      );
    },

    readOfflineFacts({ loginId, user }: Do<'readOfflineFacts'>): void {
      const read = unlessTrouble(() => {
        const cached = cache.cachedLogin(user);
        const word = cached === undefined ? cache.tombstoneOf(user) : cache.tombstone(cached.userId);
        return {
          cached: cached === undefined ? undefined : { rules: cached.offline, lastOnlineMs: cached.lastOnlineMs },
          // Of one who was here and is not kept, that is said: it is no first login.
          tombstone: cached !== undefined || word?.reason === 'offline_withdrawn' ? word : undefined,
          failures: cache.offlineFailures(user),
        };
      })?.done ?? { cached: undefined, tombstone: undefined, failures: { count: 0, lastMs: 0 } };
      const isDamaged = read.cached === undefined && unlessTrouble(() => cache.cachedLogin(user)) === undefined;
      const cacheDamaged = isDamaged || cache.condition.kind === 'damaged';
      const facts = { ...read, cacheDamaged, trustedNowMs: time.nowMs(), emergency: emergency.inForce(user) };
      dispatch({ kind: 'offlineFacts', loginId, facts });
    },

    /** The count is on the disk before anybody can learn what the password opens. */
    async tryOffline({ loginId, user }: Do<'tryOffline'>): Promise<void> {
      const secrets = keyring.get(loginId);
      const nowMs = time.nowMs() ?? emergency.inForce(user)?.nowMs;
      const counted =
        nowMs === undefined ? undefined : unlessTrouble(() => cache.countOfflineFailure(user, Math.round(nowMs)));
      // Wiped since this login began: what it was read from is not believed any more.
      const isHeld = unlessTrouble(() => cache.cachedLogin(user))?.done !== undefined;
      const cached = isHeld ? secrets?.cached : undefined;
      if (secrets === undefined || cached === undefined || counted === undefined) {
        return dispatch({ kind: 'offlineTried', loginId, result: 'damaged' });
      }
      try {
        await keyring.derive(secrets, cached.salt, cached.kdf);
        if (keyring.get(loginId) !== secrets) return;
        dispatch({ kind: 'offlineTried', loginId, result: openRow(secrets) ? 'opened' : 'refused' });
      } catch (error) {
        // Whatever is wrong with the row or its parameters, the person is answered and the next login can begin.
        dispatch({ kind: 'offlineTried', loginId, result: 'damaged' });
        throw error;
      }
    },

    /** One transaction, with what the login comes to besides (`also`). A disk that takes it not still lets an online login in: its events wait in the store's memory. */
    commitLogin({ loginId, user, outcome }: Do<'commitLogin'>, also: readonly ThinmanEvent[]): void {
      const events = { event: loginEvent(loginId, user, outcome), also };
      // Where the row cannot be read, the events are written all the same.
      const held = () => unlessTrouble(() => cache.cachedLogin(user))?.done;
      const secrets = keyring.get(loginId);
      if (outcome.verdict === 'granted' && outcome.by === 'server' && secrets !== undefined) {
        const granted = attempts.take(outcome.attempt) as LoginGranted;
        const bundle = bundleOf(secrets, granted);
        if (bundle === undefined) throw new Error('a grant without a bundle was taken');
        secrets.token = granted.session.token;
        // What a full disk does not take is there for the session all the same.
        secrets.opened = bundle;
        given.set(loginId, { bundle, warning: granted.warning });
        commitGrant(secrets, granted, bundle, events);
        if (granted.raise !== undefined) passwords.raise(loginId, secrets, granted.raise).catch(context.defect);
      } else if (outcome.verdict === 'granted') {
        if (secrets?.opened !== undefined) given.set(loginId, { bundle: secrets.opened, warning: asOf(secrets) });
        const clockMark = time.used();
        if (emergency.inForce(user) !== undefined) emergency.used(user);
        unlessTrouble(() => {
          const row = held();
          const save = row === undefined ? {} : { save: { ...row, used: nextUse(cache.cachedUsers()) } };
          const mark = clockMark === undefined ? {} : { clockMark };
          cache.commitLogin({ user, clearFailures: true, ...events, ...save, ...mark });
        });
      } else {
        const { lesson } = outcome;
        if (lesson.kind === 'tombstone') late.drop(lesson.tombstone.userId);
        unlessTrouble(() => {
          // As it is now: of one who was forgotten meanwhile nothing comes back.
          const cached = held();
          cache.commitLogin({
            user,
            ...events,
            ...(lesson.kind === 'tombstone' && { tombstone: lesson.tombstone }),
            ...(lesson.kind === 'tombstone' && { erase: lesson.erase }),
            ...(lesson.kind === 'subject' && cached !== undefined && { save: { ...cached, subject: lesson.subject } }),
          });
        });
      }
    },

    finishLogin({ loginId, outcome }: Do<'finishLogin'>): void {
      const caller = callers.get(loginId);
      const grant = given.get(loginId);
      given.delete(loginId);
      keyring.forgetPassword(loginId, grant?.bundle.profile.connections.some(wantsPassword) === true);
      if (caller === undefined) return;
      if (outcome === 'stopped') caller.reject(new AgentStopped());
      else caller.resolve(resultOf(loginId, keyring.get(loginId)?.user ?? '', outcome, grant));
      callers.delete(loginId);
    },

    stop(): void {
      for (const caller of callers.values()) caller.reject(new AgentStopped());
      callers.clear();
      given.clear();
      late.dropAll();
      keyring.forgetAll();
    },
  };
}
export type LoginDesk = ReturnType<typeof createLoginDesk>;

/** Of no bundle, and as long as this one. */
function noEtag({ length }: string): string {
  return randomBytes(MAX_ETAG_LENGTH).toString('base64url').slice(0, length);
}

function asOf({ cached }: Secrets): string | undefined {
  if (cached === undefined) return undefined;
  return `offline: the profile is as of ${new Date(cached.lastOnlineMs).toISOString()}`;
}
