import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createBundles } from '../../packages/server/src/device-plane/bundles.ts';
import { createDirectoryAccounts } from '../../packages/server/src/device-plane/directory-accounts.ts';
import { createDirectoryPersons } from '../../packages/server/src/device-plane/directory-persons.ts';
import { createLogin } from '../../packages/server/src/device-plane/login.ts';
import { createLoginBegin } from '../../packages/server/src/device-plane/login-begin.ts';
import { createLoginGuard } from '../../packages/server/src/device-plane/login-guard.ts';
import { createDeviceSite, type DeviceSite, type TestDevice } from '../support/device-site.ts';
import { differsByMore } from '../support/rank-test.ts';

const DAY_MS = 24 * 3_600_000;
const KNOWN = ['alice', 'bruno', 'carla', 'dario', 'elena', 'fabio'];
const UNKNOWN = ['adele', 'berto', 'chiara', 'diego', 'enrica', 'fosco'];

let site: DeviceSite;
before(async () => {
  site = await createDeviceSite();
  await site.put('UserGroup', 'nurses', {});
  for (const name of KNOWN) await site.addUser(name, { displayName: `${name} Rossi`, groups: ['nurses'] });
});
after(() => site.close());

/** What differs from answer to answer, whoever is asked about, as what it is. */
const VARYING: Readonly<Record<string, (value: unknown) => string>> = {
  salt: value => `${String(value).length} characters`,
  subject: value => Object.keys(value as object).join(),
  serverTime: value => typeof value,
  date: () => 'date',
  'content-length': String,
};

function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(shapeOf);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, VARYING[key]?.(inner) ?? shapeOf(inner)]),
  );
}

describe('a rooted device that asks who exists', () => {
  let device: TestDevice;
  before(async () => {
    device = await site.addDevice('rooted');
  });

  const post = async (path: string, body: unknown, from = device) => {
    const answer = await site.primary.call(from, 'POST', path, { body });
    return { status: answer.status, headers: shapeOf(answer.headers), body: shapeOf(answer.body) };
  };
  const withProof = async (user: string, more: object = {}) => ({
    ...(await site.loginRequest(site.primary, device, user, 'a-guess')),
    ...more,
  });

  const QUESTIONS: Readonly<Record<string, (user: string) => Promise<unknown>>> = {
    'how does this user log in?': user => post('/v1/login/begin', { user }),
    'a login with a wrong proof': async user => post('/v1/login', await withProof(user)),
    'a login with a proof that is none': async user => post('/v1/login', await withProof(user, { proof: 'AAAA' })),
    'a login that rests on another salt': async user =>
      post('/v1/login', await withProof(user, { salt: 'A'.repeat(22) })),
    'a login with weaker parameters': async user =>
      post('/v1/login', await withProof(user, { kdf: { algorithm: 'argon2id', memoryKib: 8, passes: 1, lanes: 1 } })),
    'a login by password': user =>
      post('/v1/login', { method: 'password', loginId: randomUUID(), user, password: 'a-guess' }),
    'the profile, with a token that is none': user => post('/v1/session', { user }),
    'an event about the user': async user => {
      const event = { id: '11111111-2222-4333-8444-555555555555', type: 'login', at: 1, user, data: {} };
      return post('/v1/events', { events: [event] });
    },
  };
  for (const [what, question] of Object.entries(QUESTIONS)) {
    test(`${what}: the same answer for a name that is there and for one that is not`, async () => {
      site.clock.forward(DAY_MS);
      assert.deepEqual(await question('adele'), await question('alice'));
    });
  }

  test('nor by the order of the fields, though unknown names borrow from users without a password as well', async () => {
    const other = await createDeviceSite();
    try {
      await other.addUser('alice', {});
      for (let n = 0; n < 20; n++) await other.put('User', `without-password-${n}`, {});
      const asks = await other.addDevice('rooted');
      const orders = new Set<string>();
      for (const user of ['alice', ...UNKNOWN]) {
        const { status, body } = await other.primary.call(asks, 'POST', '/v1/login/begin', { body: { user } });
        assert.equal(status, 200);
        orders.add(JSON.stringify(shapeOf(body)));
      }
      assert.equal(orders.size, 1, [...orders].join('\n'));
    } finally {
      await other.close();
    }
  });

  test('until it is locked: the lock and the wait are the same', async () => {
    site.clock.forward(DAY_MS);
    const answersAbout = async (user: string, from: TestDevice) => {
      const answers = [];
      for (let n = 0; n < 7; n++) {
        const body = await site.loginRequest(site.primary, from, user, `guess-${n}`);
        const { status, body: answer } = await site.primary.call(from, 'POST', '/v1/login', { body });
        answers.push([status, answer.code, answer.retryAfterMs === undefined ? undefined : 'a wait']);
      }
      return answers;
    };
    const [one, other] = [await site.addDevice('rooted-1'), await site.addDevice('rooted-2')];
    const unknown = await answersAbout('adele', one);
    assert.deepEqual(unknown, await answersAbout('alice', other));
    assert.deepEqual(unknown.at(-1), [423, 'account_locked', 'a wait']);
  });

  test('and what is written down of it has the same size', async () => {
    site.clock.forward(DAY_MS);
    const written = async (user: string) => {
      const before = site.primary.pending().length;
      const body = await withProof(user);
      await site.primary.call(device, 'POST', '/v1/login', { body });
      return site.primary
        .pending()
        .slice(before)
        .map(event => JSON.stringify(event).length);
    };
    const unknown = await written('adele');
    assert.equal(unknown.length, 1);
    assert.deepEqual(unknown, await written('alice'));
  });

  test('by ids on the channel: an id that nobody has given out is a user who was deleted', async () => {
    const channel = await site.primary.channel(device);
    const ids = [randomUUID(), site.primary.deps.replica.get('Device', 'rooted')?.uid ?? ''];
    channel.send({ type: 'hello', agentVersion: '0', users: ids, statement: [0, 0] });
    const { users } = await channel.next('hello');
    assert.deepEqual(
      users.map(({ state }) => state),
      ['deleted', 'deleted'],
    );
    channel.socket.terminate();
  });
});

// By time. A sample is one `login/begin` and one login with a wrong proof, as such a device would send them, from where the
// request is parsed to where its answer is known. TLS and the disk know of no names; what goes to the disk is compared byte
// by byte above. In each round every name is asked about once, in random order, so that whatever the machine does meanwhile
// meets all of them alike. In the same rounds another six unknown names are answered later by DELAY_MS on purpose: what is
// said of those shows what can be seen.
const ROUNDS = 200;
/** Of the two in a sample. */
const REQUESTS = 2;
const DELAY_MS = 0.2;
/** What may differ in a request: rows of another length are read in microseconds. Far below what any network lets through. */
const ALLOWED_MS = 0.05;
const DELAYED = ['gemma', 'hugo', 'irma', 'luca', 'mara', 'nino'];

test('nor does the time of the answers tell, though 0.2 ms in a request would be seen', async () => {
  await site.addDevice('with-a-stopwatch');
  const stored = site.primary.deps.replica.get('Device', 'with-a-stopwatch');
  assert.ok(stored);
  const { replica: real, journal } = site.primary.deps;
  const replica: typeof real = {
    ...real,
    find(kind, name) {
      if (DELAYED.includes(name)) spin(DELAY_MS);
      return real.find(kind, name);
    },
  };
  // Nothing is written, so nobody is locked.
  const deps = { ...site.primary.deps, replica, journal: { ...journal, append: async () => {} } };
  const guard = createLoginGuard(deps);
  const persons = createDirectoryPersons(deps);
  const begin = createLoginBegin(deps, guard, persons);
  const bundles = createBundles(deps.site, replica, deps.dataKey.open, () => '');
  const login = createLogin(
    deps,
    bundles,
    guard,
    { accounts: createDirectoryAccounts(deps), persons },
    site.primary.plane.book,
  );
  const ask = async (user: string) => {
    const method = begin(stored, { user });
    assert.ok(method.ok && method.value.method === 'derived');
    const { salt, kdf } = method.value;
    const guess = { method: 'derived', loginId: randomUUID(), user, salt, kdf, proof: PROOF } as const;
    const answer = await login(stored, guess);
    assert.ok(!answer.ok && answer.problem.code === 'credentials_invalid');
  };

  const groups = { known: KNOWN, unknown: UNKNOWN, delayed: DELAYED } as const;
  const times = { known: [] as number[], unknown: [] as number[], delayed: [] as number[] };
  const names = Object.keys(groups) as (keyof typeof groups)[];
  const all = names.flatMap(group => groups[group].map(user => ({ group, user })));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { group, user } of shuffled(all, round)) {
      const began = performance.now();
      await ask(user);
      times[group].push(performance.now() - began);
    }
  }
  const seen = differsByMore(times.delayed, times.unknown, REQUESTS * ALLOWED_MS);
  const found = differsByMore(times.known, times.unknown, REQUESTS * ALLOWED_MS);
  assert.ok(seen.isSure, `a delay of ${DELAY_MS} ms was not seen: ${JSON.stringify(seen)}`);
  assert.ok(!found.isSure, `who exists can be told by time: ${JSON.stringify(found)}`);
});

const PROOF = Buffer.alloc(64, 1).toString('base64url');

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function shuffled<T>(items: readonly T[], round: number): readonly T[] {
  const drawn = items.map((item, at) => [createHash('sha256').update(`${round}.${at}`).digest('hex'), item] as const);
  return drawn.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}
