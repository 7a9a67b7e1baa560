import assert from 'node:assert/strict';
import {
  type AgentTimings,
  DEFAULT_AGENT_TIMINGS,
  DEFAULT_KDF,
  DEFAULT_OFFLINE_RULES,
  ERRORS,
  isErrorCode,
  type KdfParameters,
  type ServerState,
  type UserWord,
} from '@thinman/protocol';
import type { Effect, LoginOutcome } from '../../packages/agent/src/core/effect.ts';
import type { Event, GivenBundle, KnownUser, ProblemFacts } from '../../packages/agent/src/core/event.ts';
import type { OfflineFacts } from '../../packages/agent/src/core/offline-login.ts';
import { siteOf } from '../../packages/agent/src/core/site.ts';
import { type AgentState, isDecided, modeOf } from '../../packages/agent/src/core/state.ts';
import { dueAt, initialState, transition } from '../../packages/agent/src/core/transition.ts';
import type { FailureReason } from '../../packages/agent/src/ports.ts';
import { statementOf } from '../support/simulated-agent.ts';

type WithoutMoment<E> = E extends unknown ? Omit<E, 'at'> : never;
type Happening = WithoutMoment<Event>;

/** One user as the device of a case knows them; versions are generations of epoch 1. */
export type CaseUser = {
  readonly salt?: string;
  readonly method?: 'derived' | 'password';
  readonly subject?: number;
  readonly credentialVersion?: number;
  readonly tombstone?: 'disabled' | 'deleted' | 'credential_changed' | 'offline_withdrawn';
  /** There is no cached login, only a version that was heard of. */
  readonly uncached?: boolean;
};
export type CaseOffline = Partial<
  Pick<OfflineFacts, 'cacheDamaged' | 'trustedNowMs'> & { readonly failures: number; readonly allowed: boolean }
>;
export type Step = {
  readonly at: number;
  readonly do: string;
  readonly words?: readonly Partial<UserWord>[];
  readonly statement?:
    | {
        readonly epoch?: number;
        readonly epochId?: string;
        readonly version: number;
        readonly servers: readonly string[];
      }
    | 'invalid';
  readonly kdf?: Partial<KdfParameters>;
  /** Of a salt that a server names: base64url has four for three bytes. */
  readonly saltChars?: number;
  /** With a hello: how long the site's devices take to come one after the other, in ms. */
  readonly crowd?: number;
  /** The device's own bundle, in the frame. */
  readonly bundle?: { readonly generation: number; readonly epoch?: number; readonly changed?: boolean };
};

const EPOCH = 1;
const WALL_MS = Date.UTC(2026, 10, 22);
/** Under a number that no attempt has. */
const GIVEN = -1;
const SALT_CHARS = 22; // 16 bytes in base64url
const SESSION_MS = 900_000;
const SERVER_STATES: readonly string[] = ['serving', 'degraded', 'draining', 'unavailable'];
const version = (generation: number) => ({ epoch: EPOCH, generation });
const saltOf = (name: string, chars = SALT_CHARS) => name.padEnd(chars, 'A');

/** Plays one case: words in, the machine's effects out, in words. Deadlines pass by themselves. */
export function createMachine(options: {
  readonly servers: readonly string[];
  readonly policy?: Partial<AgentTimings>;
  readonly users?: Readonly<Record<string, CaseUser>>;
  readonly offline?: CaseOffline;
  readonly directories?: readonly string[];
  readonly accepted?: number;
  readonly draw?: number;
  /** Probes and channels are told with the time that they are given. */
  readonly deadlines?: boolean;
  /** What belongs to a login is told with its id. */
  readonly loginIds?: boolean;
}) {
  const policy = { ...DEFAULT_AGENT_TIMINGS, ...options.policy };
  const statement = { ...statementOf(options.servers), directorySuffixes: [...(options.directories ?? [])] };
  const users = options.users ?? {};
  let state: AgentState = initialState(siteOf(statement), {
    accepted: version(options.accepted ?? 1),
    heldDevice: version(1),
    heldNewest: version(1),
  });
  let now = 0;
  let logins = 0;
  let told: string[] = [];
  const probes = new Map<number, string>();
  const channels = new Map<number, string>();
  const pulls = new Map<string, number>();
  const requests = new Map<string, { readonly attempt: number; readonly what: 'begin' | 'login' }>();

  const fed: Happening[] = [];
  const effects: Effect[] = [];

  function feed(happening: Happening): void {
    fed.push(happening);
    const at = { now, wallMs: WALL_MS + now, draw: options.draw ?? 0.5 };
    const next = transition(state, { ...happening, at } as Event, policy);
    state = next.state;
    effects.push(...next.effects);
    for (const effect of next.effects) note(effect);
  }

  /** What an effect is called in a case; what a device reads from its own disk is answered at once. */
  function note(effect: Effect): void {
    const word = wordFor(effect);
    if (word !== undefined) told.push(word);
    if (effect.kind === 'readUser') feed(userRead(effect.loginId, effect.user));
    if (effect.kind === 'readOfflineFacts') {
      feed({ kind: 'offlineFacts', loginId: effect.loginId, facts: offlineFacts(effect.user) });
    }
  }

  function wordFor(effect: Effect): string | undefined {
    switch (effect.kind) {
      case 'probe':
        probes.set(effect.attempt, effect.server);
        return `probe ${effect.server}${within(effect.deadlineMs)}`;
      case 'openChannel':
        channels.set(effect.channel, effect.server);
        return `open ${effect.server}${within(effect.connectDeadlineMs)}`;
      case 'closeChannel':
        return `close ${channels.get(effect.channel)}`;
      case 'derive':
        return `derive ${effect.salt.replace(/A+$/, '')}`;
      case 'sendBegin':
        requests.set(effect.server, { attempt: effect.attempt, what: 'begin' });
        return `begin ${effect.server}${as(effect.loginId)}`;
      case 'sendLogin':
        requests.set(effect.server, { attempt: effect.attempt, what: 'login' });
        return `login ${effect.server}${effect.method === 'password' ? ' by password' : ''}${effect.held ? ' held' : ''}${as(effect.loginId)}`;
      case 'tryOffline':
        return 'try offline';
      case 'commitLogin':
        return `commit ${commitWords(effect.outcome)}${as(effect.loginId)}`;
      case 'finishLogin':
        return `tell ${effect.outcome === 'stopped' ? 'stopped' : outcomeWords(effect.outcome)}`;
      case 'endSession':
        return `end session at ${effect.server ?? 'nobody'}${as(effect.loginId)}`;
      case 'refreshSession':
        requests.set('session', { attempt: effect.attempt, what: 'login' });
        return `refresh at ${effect.server}`;
      case 'proveSession':
        requests.set('proof', { attempt: effect.attempt, what: 'login' });
        return `prove at ${effect.server}`;
      case 'keepProof':
        return 'keep proof';
      case 'pullBundle':
        pulls.set(effect.which, effect.attempt);
        return `pull ${effect.which} from ${effect.server}`;
      case 'keepBundle':
        return `keep ${effect.which} bundle`;
      case 'dropBundle':
        return 'drop bundle';
      case 'deliverEvents':
        requests.set('events', { attempt: effect.attempt, what: 'login' });
        return `deliver to ${effect.server}`;
      case 'record':
        return `event ${effect.type}${'from' in effect.data && 'to' in effect.data ? ` ${effect.data.from} to ${effect.data.to}` : ''}`;
      case 'setTombstone':
        return `tombstone ${effect.tombstone.user} ${effect.tombstone.reason}${effect.erase ? ' erase' : ''}`;
      case 'raiseSubject':
        return `lift ${effect.user}`;
      case 'eraseUsers':
        return 'erase users';
      case 'saveStatement':
        return `save statement ${effect.version}`;
      case 'runCommand':
        return `command ${effect.command}`;
      case 'readUser':
      case 'readOfflineFacts':
      case 'forget':
      case 'cancel':
      case 'tellStatus':
        return undefined;
      case 'saveAccepted':
        return `accepted at ${effect.version.generation}`;
      case 'trustTime':
        return `trust time ${effect.serverTimeMs - WALL_MS}`;
    }
  }

  function within(deadlineMs: number): string {
    return options.deadlines === true ? ` within ${deadlineMs}` : '';
  }

  function as(loginId: string): string {
    return options.loginIds === true ? ` as ${loginId}` : '';
  }

  function userRead(loginId: string, user: string): Happening {
    const known = users[user];
    const subject = known?.subject === undefined ? undefined : version(known.subject);
    if (known === undefined || known.uncached === true)
      return { kind: 'userRead', loginId, cached: undefined, subject };
    const { method = 'derived', salt = 'S1', credentialVersion = 1 } = known;
    const cached = { userId: `id-${user}`, method, salt: saltOf(salt), kdf: DEFAULT_KDF, credentialVersion };
    return { kind: 'userRead', loginId, cached, subject };
  }

  function offlineFacts(user: string): OfflineFacts {
    const known = users[user];
    const offline = options.offline ?? {};
    const isCached = known !== undefined && known.uncached !== true && offline.cacheDamaged !== true;
    const rules = { ...DEFAULT_OFFLINE_RULES, allowed: offline.allowed ?? true };
    const tombstone = known?.tombstone;
    const subject = version(known?.subject ?? 1);
    return {
      cached: isCached ? { rules, lastOnlineMs: WALL_MS } : undefined,
      cacheDamaged: offline.cacheDamaged ?? false,
      tombstone: tombstone === undefined ? undefined : { user, userId: `id-${user}`, reason: tombstone, subject },
      failures: { count: offline.failures ?? 0, lastMs: WALL_MS },
      trustedNowMs: 'trustedNowMs' in offline ? offline.trustedNowMs : WALL_MS + now,
    };
  }

  /** Deadlines up to `until` pass, each at its time. */
  function passTime(until: number): void {
    for (let at = dueAt(state, now); at <= until; at = dueAt(state, now)) {
      now = Math.max(at, now);
      feed({ kind: 'tick' });
      assert.ok(dueAt(state, now) > now, 'the machine would spin');
    }
    now = until;
  }

  function channelTo(server: string): number {
    const found = [...channels].findLast(([, name]) => name === server);
    assert.ok(found !== undefined, `no channel to ${server}`);
    return found[0];
  }

  function take(name: string): number {
    const found = requests.get(name);
    assert.ok(found !== undefined, `nothing was asked of ${name}`);
    return found.attempt;
  }

  const readers: Readonly<Record<string, (words: readonly string[], step: Step) => void>> = {
    start: () => feed({ kind: 'started', eventsPending: false }),
    stop: () => feed({ kind: 'stopRequested' }),
    wait: () => {},
    linkup: () => feed({ kind: 'linkUp' }),
    resume: () => feed({ kind: 'resumed' }),
    logout: () => feed({ kind: 'logoutRequested' }),
    idle: ([minutes = '0']) =>
      feed({ kind: 'activityReported', isIdle: true, lockAfterMs: 0, logoutAfterMs: Number(minutes) * 60_000 }),
    active: () => feed({ kind: 'activityReported', isIdle: false, lockAfterMs: 0, logoutAfterMs: 0 }),
    /** Answers every probe of a server that is out. `roundTrip`: milliseconds, where they were measured. */
    probe([server = '', says = '', roundTrip]) {
      const out = [...probes].filter(([, name]) => name === server);
      assert.ok(out.length > 0, `no probe of ${server} is out`);
      for (const [attempt] of out) {
        probes.delete(attempt);
        const answer = SERVER_STATES.includes(says)
          ? ({ kind: 'ok', value: { state: says as ServerState } } as const)
          : failureOrProblem(says);
        feed({
          kind: 'probeAnswered',
          attempt,
          server,
          roundTripMs: roundTrip === undefined ? undefined : Number(roundTrip),
          answer,
        });
      }
    },
    hello([server = '', says = 'serving', generation = '1'], step) {
      const words = (step.words ?? []).map(wordOf);
      feed({
        kind: 'channelHello',
        channel: channelTo(server),
        server,
        state: says as ServerState,
        version: version(Number(generation)),
        serverTime: WALL_MS + now,
        statement:
          step.statement === 'invalid'
            ? 'invalid'
            : step.statement === undefined
              ? statement
              : { ...statementOf(step.statement.servers), ...withoutServers(step.statement) },
        words,
        known: words.flatMap(({ userId }) => knownUser(userId)),
        bundle: givenBundle(step.bundle),
        crowdMs: step.crowd,
      });
    },
    closed([server = '', why = 'reset', generation]) {
      const base = { kind: 'channelClosed', channel: channelTo(server), server, detail: '' } as const;
      if (isErrorCode(why)) feed({ ...base, reason: 'closed', problem: problemOf(why, generation) });
      else feed({ ...base, reason: why as FailureReason | 'closed' | 'replaced' });
    },
    alive: ([server = '']) => feed({ kind: 'channelAlive', channel: channelTo(server) }),
    goaway: ([server = '']) => feed({ kind: 'channelGoaway', channel: channelTo(server) }),
    revoked: ([server = '', generation = '1']) =>
      feed({ kind: 'channelRevoked', channel: channelTo(server), subject: version(Number(generation)) }),
    changed: ([server = '', userId], step) =>
      feed({ kind: 'channelChanged', channel: channelTo(server), userId, bundle: givenBundle(step.bundle) }),
    command: ([server = '', command = '']) =>
      feed({ kind: 'channelCommand', channel: channelTo(server), id: 'c-1', command, data: {} }),
    login([user = '']) {
      feed({ kind: 'loginRequested', loginId: `login-${user}-${++logins}`, user });
    },
    derived([opens = '']) {
      const { login } = state;
      assert.ok(login !== null && login.keys.kind === 'deriving', 'nothing is being derived');
      const { loginId, keys } = login;
      const result = opens === 'opens' ? true : opens === 'refuses' ? false : undefined;
      feed({ kind: 'derived', loginId, salt: keys.salt, opens: result });
    },
    begin([server = '', method = '', salt = 'S1', generation = '1'], step) {
      const attempt = take(server);
      const answer =
        method === 'derived'
          ? ({
              kind: 'ok',
              value: {
                method,
                salt: saltOf(salt, step.saltChars),
                kdf: { ...DEFAULT_KDF, ...step.kdf },
                subject: version(Number(generation)),
              },
            } as const)
          : method === 'password'
            ? ({ kind: 'ok', value: { method } } as const)
            : failureOrProblem(method);
      feed({ kind: 'beginAnswered', attempt, server, answer });
    },
    grant([server = '', generation = '1', says = 'serving', epoch = '1']) {
      const value = {
        userId: `id-${state.login?.user ?? ''}`,
        subject: { epoch: Number(epoch), generation: Number(generation) },
        credentialVersion: 1,
        serverState: says as ServerState,
        serverVersion: version(Number(generation)),
        bundleVersion: version(Number(generation)),
        serverTime: WALL_MS + now,
        sessionLifetimeMs: SESSION_MS,
      };
      feed({ kind: 'loginAnswered', attempt: take(server), server, answer: { kind: 'ok', value } });
    },
    answer([server = '', code = '', generation], step) {
      const now = {
        salt: saltOf('S2', step.saltChars),
        kdf: { ...DEFAULT_KDF, ...step.kdf },
        subject: version(Number(generation ?? '1')),
      };
      const problem = problemOf(code, generation);
      const answer =
        code === 'salt_changed'
          ? ({ kind: 'problem', problem: { ...problem, now } } as const)
          : failureOrProblem(code, generation);
      feed({ kind: 'loginAnswered', attempt: take(server), server, answer });
    },
    tried([result = '']) {
      const loginId = state.login?.loginId ?? '';
      feed({ kind: 'offlineTried', loginId, result: result as 'opened' | 'refused' | 'damaged' });
    },
    session([server = '', says = '', generation = '1']) {
      const value = { subject: version(Number(generation)), serverTime: WALL_MS + now, lifetimeMs: SESSION_MS };
      const answer = says === 'ok' ? ({ kind: 'ok', value } as const) : failureOrProblem(says, generation);
      feed({ kind: 'sessionAnswered', attempt: take('session'), server, answer, known: knownSubject() });
    },
    proved([server = '', says = '', generation = '1']) {
      const value = {
        userId: 'id-alice',
        subject: version(Number(generation)),
        credentialVersion: 1,
        serverState: 'serving',
        serverVersion: version(Number(generation)),
        bundleVersion: version(Number(generation)),
        serverTime: WALL_MS + now,
        sessionLifetimeMs: SESSION_MS,
      } as const;
      const answer =
        says === 'ok'
          ? ({ kind: 'ok', value } as const)
          : says === 'no_keys'
            ? ({ kind: says } as const)
            : says === 'salt_changed'
              ? ({
                  kind: 'problem',
                  problem: {
                    ...problemOf(says, generation),
                    now: { salt: saltOf('S2'), kdf: DEFAULT_KDF, subject: version(Number(generation)) },
                  },
                } as const)
              : failureOrProblem(says, generation);
      feed({
        kind: 'sessionProved',
        attempt: take('proof'),
        server,
        newLoginId: 'login-new',
        answer,
        known: knownSubject(),
      });
    },
    bundle([which = '', server = '', says = '', changed = 'changed', epoch = `${EPOCH}`]) {
      const attempt = pulls.get(which);
      assert.ok(attempt !== undefined, `no ${which} bundle was asked for`);
      const generation = Number(says);
      const answer = Number.isNaN(generation)
        ? failureOrProblem(says)
        : ({
            kind: 'ok',
            value: { version: { epoch: Number(epoch), generation }, changed: changed === 'changed' },
          } as const);
      feed({ kind: 'bundleAnswered', attempt, which: which as 'device' | 'user', server, answer });
    },
    events([server = '', says = '']) {
      const answer =
        says === 'ok' || says === 'more'
          ? ({ kind: 'ok', value: { more: says === 'more' } } as const)
          : failureOrProblem(says);
      feed({ kind: 'eventsAnswered', attempt: take('events'), server, answer });
    },
  };

  function knownSubject() {
    const { session } = state;
    const known = session.kind === 'open' ? users[session.user]?.subject : undefined;
    return known === undefined ? undefined : version(known);
  }

  function knownUser(userId: string): readonly KnownUser[] {
    const user = userId.replace('id-', '');
    const known = users[user];
    if (known === undefined || known.uncached === true) return [];
    const subject = version(known.subject ?? 1);
    const { tombstone, credentialVersion = 1 } = known;
    const held = tombstone === undefined ? undefined : { user, userId, reason: tombstone, subject };
    return [{ user, userId, subject, credentialVersion, tombstone: held }];
  }

  /** Every step that could happen now, and some that are too late: what a random world chooses from. */
  function possible(): readonly string[] {
    const names = options.servers;
    const servers = (map: ReadonlyMap<unknown, string>) => names.filter(name => [...map.values()].includes(name));
    const generations = [1, 5, 9];
    const each = (heads: readonly string[], tails: readonly (string | number)[]) =>
      heads.flatMap(head => tails.map(tail => `${head} ${tail}`));
    const asked = (what: 'begin' | 'login') => names.filter(name => requests.get(name)?.what === what);
    const prefixed = (word: string, list: readonly string[]) => list.map(name => `${word} ${name}`);
    const pulled = [...pulls.keys()].flatMap(which => prefixed(`bundle ${which}`, names));
    return [
      ...['linkup', 'resume', 'logout', 'idle 1', 'active', 'login alice', 'login bob', 'wait'],
      ...each(prefixed('probe', servers(probes)), ['serving', 'degraded', 'draining', 'refused', 'timeout', 'tls']),
      ...each(prefixed('hello', servers(channels)), ['serving', 'degraded 5', 'unavailable', 'serving 9']),
      ...each(prefixed('closed', servers(channels)), [
        'reset',
        'replaced',
        'timeout',
        'device_unknown',
        'device_revoked 5',
      ]),
      ...prefixed('goaway', servers(channels)),
      ...prefixed('alive', servers(channels)),
      ...prefixed('changed', servers(channels)),
      ...each(prefixed('grant', asked('login')), generations),
      ...each(prefixed('answer', asked('login')), [
        ...each(['credentials_invalid', 'account_disabled', 'salt_changed', 'device_revoked'], generations),
        ...['overloaded', 'draining', 'reset', 'too_many_attempts'],
      ]),
      ...each(prefixed('begin', asked('begin')), ['derived S1 1', 'derived S2 5', 'password', 'overloaded', 'reset']),
      ...(requests.has('session') ? each(prefixed('session', names), ['ok 9', 'account_disabled 9', 'reset']) : []),
      ...(requests.has('proof') ? each(prefixed('proved', names), ['ok 9', 'salt_changed 9', 'reset', 'no_keys']) : []),
      ...(requests.has('events') ? each(prefixed('events', names), ['ok', 'more', 'reset']) : []),
      ...each(pulled, [...generations, 'reset']),
      ...(state.login?.keys.kind === 'deriving' ? ['derived opens', 'derived refuses'] : []),
      ...(state.login?.stage.kind === 'opening_row' || state.login?.row === 'trying'
        ? ['tried opened', 'tried refused']
        : []),
    ];
  }

  return {
    state: () => state,
    now: () => now,
    possible,
    /** Everything that was fed, and everything that came out. */
    fed: fed as readonly Happening[],
    effects: effects as readonly Effect[],
    /** The same once more: a result that comes twice, or too late. */
    feed,
    /** Plays one step, and gives the effects since the last one, in words. */
    play(step: Step): readonly string[] {
      told = [];
      passTime(step.at);
      const [verb = '', ...words] = step.do.split(' ');
      const read = readers[verb];
      assert.ok(read !== undefined, `no such step: ${step.do}`);
      read(words, step);
      return told;
    },
    facts() {
      const { connectivity, session, login, waitingLogins, servers, health, failback } = state;
      return {
        mode: modeOf(state),
        server: connectivity.kind === 'connected' ? connectivity.server : null,
        move: connectivity.kind === 'connected' ? connectivity.move.kind : null,
        session: session.kind === 'open' ? `${session.user} ${session.mode} ${session.standing.kind}` : null,
        login: login?.user ?? null,
        waiting: waitingLogins.map(({ user }) => user),
        list: servers.map(({ name }) => name),
        open: servers.map(({ name }) => name).filter(name => health[name]?.breaker.kind === 'open'),
        decided: isDecided(state),
        regretWaitMs: failback.regretWaitMs,
        device: state.held.device.generation,
      };
    },
  };
}
export type Machine = ReturnType<typeof createMachine>;

function wordOf(word: Partial<UserWord>): UserWord {
  return {
    userId: word.userId ?? 'id-alice',
    state: word.state ?? 'ok',
    credentialVersion: word.credentialVersion ?? 1,
    offlineAllowed: word.offlineAllowed ?? true,
    ...(word.keep === false && { keep: word.keep }),
    subject: word.subject ?? version(1),
  };
}

/** Why no usable answer came, as steps name it. */
export const FAILURES: readonly string[] = [
  'refused',
  'unreachable',
  'name_not_found',
  'timeout',
  'reset',
  'tls',
  'not_in_statement',
  'truncated',
  'not_our_schema',
  'aborted',
] satisfies FailureReason[];

function failureOrProblem(says: string, generation?: string) {
  if (FAILURES.includes(says)) return { kind: 'failed', reason: says as FailureReason, detail: '' } as const;
  return { kind: 'problem', problem: problemOf(says, generation) } as const;
}

/** A code of ours, or `http-NNN`: an answer that is none of ours. `code@ms` carries a time to wait. */
function problemOf(text: string, generation?: string): ProblemFacts {
  const [code = '', retry] = text.split('@');
  const status = isErrorCode(code) ? ERRORS[code].status : Number(code.replace('http-', ''));
  const subject = generation === undefined ? {} : { subject: version(Number(generation)) };
  return { code, status, ...subject, ...(retry !== undefined && { retryAfterMs: Number(retry) }) };
}

function outcomeWords(outcome: LoginOutcome): string {
  if (outcome.verdict === 'granted')
    return outcome.by === 'device' ? 'granted offline' : `granted ${outcome.mode} by ${outcome.server}`;
  const wait = outcome.retryAfterMs === undefined ? '' : ` wait ${outcome.retryAfterMs}`;
  return `denied ${outcome.reason} ${outcome.server === null ? 'offline' : `${outcome.mode} by ${outcome.server}`}${wait}`;
}

function commitWords(outcome: LoginOutcome): string {
  if (outcome.verdict === 'granted') return 'granted';
  const { lesson } = outcome;
  switch (lesson.kind) {
    case 'none':
      return 'denied';
    case 'subject':
      return `denied subject ${lesson.subject.generation}`;
    case 'tombstone':
      return `denied tombstone ${lesson.tombstone.reason} ${lesson.tombstone.subject.generation}${lesson.erase ? ' erase' : ''}`;
    case 'revoked':
      return 'denied revoked';
  }
}

function withoutServers({ servers: _servers, ...statement }: Exclude<Step['statement'], 'invalid' | undefined>) {
  return statement;
}

function givenBundle(bundle: Step['bundle']): GivenBundle | undefined {
  if (bundle === undefined) return undefined;
  const { generation, epoch = EPOCH, changed = true } = bundle;
  return { attempt: GIVEN, version: { epoch, generation }, changed };
}
