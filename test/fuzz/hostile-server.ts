import { createHash, hkdfSync, randomUUID } from 'node:crypto';
import {
  AgentStatus,
  DerivedMethod,
  DeviceBundle,
  describeProblems,
  ERRORS,
  EventBatchAnswer,
  isErrorCode,
  LoginBeginAnswer,
  LoginGranted,
  LoginResult,
  LogoutAnswer,
  MAX_BODY_BYTES,
  MAX_FRAME_BYTES,
  PasswordChanged,
  type Problem,
  parseJson,
  parseValue,
  ServerFrame,
  ServerStatus,
  SessionRefreshed,
  type SignedStatement,
  SiteStatement,
  UserBundle,
} from '@thinman/protocol';
import fc, { type Arbitrary } from 'fast-check';
import type { TSchema } from 'typebox';
import { createSealing } from '../../packages/agent/src/adapters/sealing.ts';
import type { Answer, BaseKey, ChannelListener, IdentityStore, ServerClient } from '../../packages/agent/src/ports.ts';
import { createRunner } from '../../packages/agent/src/runtime/runner.ts';
import { manualClock } from '../support/manual-clock.ts';
import { emptyDevice, memoryCache } from '../support/memory-cache.ts';
import { statementOf } from '../support/simulated-agent.ts';
import type { Target } from './target.ts';
import { bodiesOf, valuesOf } from './values.ts';

/** Longer than a login may take, with every wait that a server could ask for. */
const LOGIN_OVER_MS = 60_000;

/** What the servers answer to a call, in turn. `fits`: with the loginId that was asked for. */
type Said = { readonly text: string; readonly as: 'value' | 'problem'; readonly fits: boolean };
type Scenario = { readonly said: Readonly<Record<Call, readonly Said[]>>; readonly frames: readonly string[] };

/** Of each call, what its answer is read as. */
export const ANSWERS = {
  readyz: ServerStatus,
  begin: LoginBeginAnswer,
  login: LoginGranted,
  deviceBundle: DeviceBundle,
  userBundle: UserBundle,
  refreshSession: SessionRefreshed,
  vouch: LoginGranted,
  logout: LogoutAnswer,
  sendEvents: EventBatchAnswer,
  changePassword: PasswordChanged,
} as const;
type Call = keyof typeof ANSWERS;

const problems: Arbitrary<string> = fc
  .record(
    {
      code: fc.oneof(fc.constantFrom(...Object.keys(ERRORS)), fc.string()),
      status: fc.integer({ min: 400, max: 599 }),
      subject: fc.record({ epoch: fc.nat(3), generation: fc.maxSafeNat() }),
      retryAfterMs: fc.maxSafeNat(),
      serverTime: fc.maxSafeInteger(),
      now: valuesOf(DerivedMethod),
    },
    { requiredKeys: ['code', 'status'] },
  )
  .map(({ code, status, ...more }) => {
    const told = isErrorCode(code) ? ERRORS[code].status : status;
    return JSON.stringify({ type: 'x', title: 'x', code, status: told, ...more });
  });

function saidTo(schema: TSchema): Arbitrary<readonly Said[]> {
  const value = fc.record({
    text: fc.oneof(
      valuesOf(schema).map(value => JSON.stringify(value)),
      bodiesOf(schema),
    ),
    as: fc.constant('value' as const),
    fits: fc.boolean(),
  });
  const problem = problems.map(text => ({ text, as: 'problem' as const, fits: false }));
  return fc.array(fc.oneof({ weight: 2, arbitrary: value }, { weight: 1, arbitrary: problem }), { maxLength: 4 });
}

/** Statements that the site signed, and nonsense: what is inside them is not the server's to choose, but stranger than any. */
const hellos = fc
  .tuple(valuesOf(ServerFrame), valuesOf(SiteStatement), fc.constantFrom('primary', 'secondary'))
  .map(([frame, statement, server]) => {
    const text = JSON.stringify({ ...(statement as object), siteId: statementOf(['primary']).siteId });
    const signed: SignedStatement = { statement: text, signature: '', signedBy: 'k'.repeat(43) };
    return JSON.stringify({ ...(frame as object), server, statement: signed });
  });

const scenarios: Arbitrary<Scenario> = fc.record({
  said: fc.record(
    Object.fromEntries(Object.entries(ANSWERS).map(([call, schema]) => [call, saidTo(schema)])) as Record<
      Call,
      Arbitrary<readonly Said[]>
    >,
  ),
  frames: fc.array(fc.oneof(hellos, bodiesOf(ServerFrame)), { maxLength: 4 }),
});

/**
 * Servers of the statement that say whatever fits the schemas, to a whole agent: it stays whole, answers every login, and
 * lets nobody in unless a server's word fitted the question.
 */
export function hostileServers(): Target<Scenario> {
  return {
    name: 'hostile-servers',
    onTop: 1.5,
    inputs: scenarios,
    open: async () => ({ check: play, async close() {} }),
  };
}

async function play({ said, frames }: Scenario): Promise<string | undefined> {
  const clock = manualClock();
  const defects: unknown[] = [];
  const channels = new Set<ChannelListener>();
  const turns = new Map<Call, number>();
  const statement = statementOf(['primary', 'secondary']);
  let isGone = false;
  let wasGranted = false;

  function next<T>(call: Call, loginId?: string): Promise<Answer<T>> {
    const failed = (): Answer<T> => ({ kind: 'failed', reason: 'reset', detail: 'gone', elapsedMs: 0 });
    const turn = turns.get(call) ?? 0;
    turns.set(call, turn + 1);
    const one = said[call][turn % Math.max(said[call].length, 1)];
    if (isGone || one === undefined) return Promise.resolve(failed());
    if (one.as === 'problem') {
      const problem = JSON.parse(one.text) as Problem;
      return Promise.resolve({ kind: 'problem', problem, body: problem, elapsedMs: 0 });
    }
    const parsed = parseJson<TSchema>(ANSWERS[call], one.text, MAX_BODY_BYTES);
    if (!parsed.ok) return Promise.resolve(failed());
    const value = loginId !== undefined && one.fits ? { ...(parsed.value as object), loginId } : parsed.value;
    if (call === 'login' && (value as LoginGranted).loginId === loginId) wasGranted = true;
    return Promise.resolve({ kind: 'ok', value: value as T, elapsedMs: 0 });
  }

  const bundle = async <B>(call: 'deviceBundle' | 'userBundle') => {
    const answer = await next<B>(call);
    return answer.kind === 'ok' ? { ...answer, value: { changed: true as const, bundle: answer.value } } : answer;
  };
  const client: ServerClient = {
    changePassword: () => next('changePassword'),
    readyz: () => next('readyz'),
    begin: () => next('begin'),
    login: (_server, request) => next('login', request.loginId),
    deviceBundle: () => bundle('deviceBundle'),
    userBundle: () => bundle('userBundle'),
    refreshSession: () => next('refreshSession'),
    vouch: () => next('vouch'),
    logout: () => next('logout'),
    sendEvents: () => next('sendEvents'),
    renew: async () => ({ kind: 'failed', reason: 'reset', detail: 'gone', elapsedMs: 0 }),
    roundTripMs: () => undefined,
    reset() {},
    close: async () => {},
  };

  const runner = createRunner({
    identity: {
      ...{ siteId: statement.siteId, deviceId: randomUUID(), name: 'tc-1', privateKey: '', certificate: '' },
      ...{ caCertificates: [], keyHash: 'k'.repeat(43), deviceSecret: Buffer.alloc(32) },
    },
    identityStore: keepsNothing,
    client,
    channels: {
      readyz: (server, _deadlineMs, signal) => client.readyz(server, signal),
      reset() {},
      open(_server, _deadlineMs, _pingMs, listener) {
        if (isGone) queueMicrotask(() => listener.onClosed({ reason: 'refused', detail: 'gone' }));
        else {
          channels.add(listener);
          queueMicrotask(() => listener.onOpen());
        }
        return { send() {}, ping() {}, close: () => void channels.delete(listener) };
      },
    },
    hasher: { derive: async (password, salt) => cheapKey(password, salt) },
    sealing: createSealing(),
    cache: memoryCache(emptyDevice()),
    clock,
    random: Math.random,
    uuid: randomUUID,
    verifyStatement(signed) {
      const parsed = parseJson(SiteStatement, signed.statement, MAX_FRAME_BYTES);
      return parsed.ok ? parsed.value : undefined;
    },
    agentVersion: 'fuzz',
    statement,
    onDefect: error => defects.push(error),
  });

  const logIn = async (password: string) => {
    const login = runner.login('alice', password);
    for (const frame of frames) {
      const parsed = parseJson(ServerFrame, frame, MAX_FRAME_BYTES);
      if (parsed.ok) for (const listener of [...channels]) listener.onFrame(parsed.value);
      await clock.advance(1);
    }
    await clock.advance(LOGIN_OVER_MS);
    return Promise.race([login, 'unanswered' as const]);
  };

  runner.start();
  await clock.advance(1);
  try {
    const online = await logIn('typed');
    isGone = true;
    for (const listener of [...channels]) listener.onClosed({ reason: 'reset', detail: 'gone' });
    const offline = await logIn('typed');
    const another = await logIn('another');
    return (
      wrongInLogin(online, wasGranted) ??
      wrongInLogin(offline, wasGranted) ??
      wrongInLogin(another, false) ??
      wrongInStatus(runner.status()) ??
      defects.map(error => `a defect: ${error instanceof Error ? error.stack : error}`)[0]
    );
  } finally {
    runner.stop();
  }
}

function wrongInLogin(result: LoginResult | 'unanswered', mayBeGranted: boolean): string | undefined {
  if (result === 'unanswered') return 'a login is not answered';
  const parsed = parseValue(LoginResult, result);
  if (!parsed.ok) return `a result that is none: ${describeProblems(parsed.problems)}`;
  return result.verdict === 'granted' && !mayBeGranted ? `granted for nothing: ${JSON.stringify(result)}` : undefined;
}

function wrongInStatus(status: unknown): string | undefined {
  const parsed = parseValue(AgentStatus, status);
  return parsed.ok ? undefined : `a status that is none: ${describeProblems(parsed.problems)}`;
}

const keepsNothing: IdentityStore = {
  load: () => undefined,
  save() {},
  saveCertificate() {},
  saveCaCertificates() {},
  loadStatement: () => undefined,
  saveStatement() {},
};

/** Stands for Argon2id. */
function cheapKey(password: string, salt: string): BaseKey {
  const key = createHash('sha256').update(`${password}\n${salt}`).digest();
  return {
    keysFor: userId => ({
      proof: () => 'proof',
      changeProof: () => 'proof',
      publicKey: key.toString('base64url'),
      seal: Buffer.from(hkdfSync('sha256', key, '', userId, 32)),
      dispose() {},
    }),
    dispose() {},
  };
}
