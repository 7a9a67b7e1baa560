import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import {
  formatVersion,
  KNOWN_SUBJECT_HEADER,
  LoginGranted,
  Problem,
  parseValue,
  RecordedEvent,
} from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../../../../test/support/device-site.ts';
import { DEAR_A_TURN } from './turnstile.ts';

const MINUTE_MS = 60_000;

describe('a login', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    device = await site.addDevice('tc-1');
    await site.addUser('alice', { displayName: 'Alice Rossi' });
  });
  after(() => site.close());

  const login = async (user: string, password: string, from = device, more: object = {}) => {
    const request = await site.loginRequest(site.primary, from, user, password);
    return site.primary.call(from, 'POST', '/v1/login', { body: { ...request, ...more } });
  };
  const eventsOf = (user: string) => site.primary.pending().filter(event => event.user === user);

  test('is granted with the right password: verdict, subject, session, bundle, and its event on disk', async () => {
    const { status, body } = await login('alice', PASSWORD);
    assert.equal(status, 200);
    assert.ok(parseValue(LoginGranted, body).ok);
    const user = site.primary.deps.replica.get('User', 'alice');
    assert.deepEqual(body.subject, { epoch: 1, generation: user?.generation });
    assert.equal(body.credentialVersion, 1);
    assert.deepEqual(body.bundle.user, { id: user?.uid, name: 'alice', displayName: 'Alice Rossi', groups: [] });
    const [event] = eventsOf('alice');
    assert.equal(event?.type, 'login.answered');
    assert.equal(event?.origin, 'server:primary');
    assert.equal(event?.data.verdict, 'granted');
    assert.equal(event?.data.loginId, body.loginId);
  });

  test('gives `unchanged` when the device holds the bundle already', async () => {
    const first = await login('alice', PASSWORD);
    const second = await login('alice', PASSWORD, device, { held: first.body.bundle.etag });
    assert.deepEqual(second.body.bundle, {
      unchanged: true,
      etag: first.body.bundle.etag,
      version: first.body.bundle.version,
    });
  });

  test('is one of few in a turn of the event loop, however many come at once', async t => {
    const AT_ONCE = 24;
    const requests = await Promise.all(
      Array.from({ length: AT_ONCE }, () => site.loginRequest(site.primary, device, 'alice', PASSWORD)),
    );
    const all = (method: 'GET' | 'POST', path: string) =>
      Promise.all(requests.map(body => site.primary.call(device, method, path, method === 'GET' ? {} : { body })));
    // Their connections are open by then.
    await all('GET', '/v1/device/bundle');
    const turns: number[] = [0];
    const { journal } = site.primary.deps;
    const append = journal.append.bind(journal);
    t.mock.method(journal, 'append', (entry: Parameters<typeof append>[0]) => {
      if (turns.at(-1) === 0) setImmediate(() => turns.push(0));
      turns[turns.length - 1] = (turns.at(-1) ?? 0) + 1;
      return append(entry);
    });
    const answers = await all('POST', '/v1/login');
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(
      turns.reduce((sum, logins) => sum + logins, 0),
      AT_ONCE,
    );
    assert.ok(Math.max(...turns) <= 2 * DEAR_A_TURN, `in turns of ${turns}`);
  });

  test('takes a name that was typed in another Unicode form', async () => {
    await site.addUser('jos\u00e9');
    assert.equal((await login('jose\u0301', PASSWORD)).status, 200);
  });

  test('with a wrong password and with an unknown name is answered alike', async () => {
    const from = await site.addDevice('tc-alike');
    const wrong = await login('alice', 'wrong', from);
    const unknown = await login('nobody', 'wrong', from);
    for (const { status, body } of [wrong, unknown]) {
      assert.equal(status, 401);
      assert.equal(body.code, 'credentials_invalid');
      assert.ok(parseValue(Problem, body).ok);
      assert.ok(body.subject.generation > 0 && body.serverTime > 0);
    }
    assert.deepEqual(Object.keys(wrong.body), Object.keys(unknown.body));
    assert.equal(eventsOf('nobody')[0]?.data.reason, 'credentials_invalid');
  });

  test('`login/begin` for an unknown name: a stable false answer of the same form, the same on every server', async () => {
    const secondary = await site.startSecondary();
    const begin = async (user: string, server = site.primary) =>
      (await server.call(device, 'POST', '/v1/login/begin', { body: { user } })).body;
    const real = await begin('alice');
    const unknown = await begin('nobody-2');
    assert.deepEqual(await begin('nobody-2', secondary), unknown);
    // What is committed meanwhile moves it as little as it moves a real one.
    await site.put('Policy', 'unrelated', { settings: {} });
    assert.deepEqual(await begin('nobody-2'), unknown);
    const users = site.primary.deps.replica.list('User').map(({ generation }) => generation);
    assert.ok(users.includes(unknown.subject.generation));
    assert.deepEqual(Object.keys(unknown), Object.keys(real));
    assert.equal(unknown.salt.length, real.salt.length);
    assert.deepEqual(unknown.kdf, real.kdf);
    assert.notEqual(unknown.salt, (await begin('nobody-3')).salt);
  });

  test('a false answer changes over time as a real one does: with the user from whom it borrows', async () => {
    const watcher = await site.addDevice('tc-watcher');
    const begin = async (user: string) => {
      const { body } = await site.primary.call(watcher, 'POST', '/v1/login/begin', { body: { user } });
      return body as { readonly salt: string; readonly subject: { readonly generation: number } };
    };
    const [first, second] = [await site.addUser('lender-1'), await site.addUser('lender-2')];
    const name = await (async () => {
      for (let n = 0; ; n++) {
        const { subject } = await begin(`nobody-${n}`);
        if (subject.generation === first.generation) return `nobody-${n}`;
        if (n % 15 === 14) site.clock.forward(2 * 3_600_000);
      }
    })();
    const before = await begin(name);

    const renamed = await site.put('User', 'lender-1', { displayName: 'Somebody' });
    const afterWords = await begin(name);
    assert.deepEqual([afterWords.salt, afterWords.subject.generation], [before.salt, renamed.generation]);
    const changed = await site.addUser('lender-1', {}, 'another-password');
    const afterPassword = await begin(name);
    assert.notEqual(afterPassword.salt, afterWords.salt);
    assert.equal(afterPassword.subject.generation, changed.generation);
    await site.remove('User', 'lender-1');
    const afterEnd = await begin(name);
    assert.notEqual(afterEnd.salt, afterPassword.salt);
    assert.ok(
      afterEnd.subject.generation > changed.generation,
      'a version that goes back would tell it from a real one',
    );

    // Who was real and is not any more goes on with a salt that nobody else's password moves.
    const gone = await begin('lender-1');
    await site.addUser('lender-2', {}, 'another-password');
    assert.deepEqual(await begin('lender-1'), gone);
    assert.ok(second.generation < gone.subject.generation);
  });

  test('with an older salt is told the one that holds, and counts as no failure', async () => {
    await site.addUser('carol');
    const from = await site.addDevice('tc-salt');
    const old = await site.loginRequest(site.primary, from, 'carol', PASSWORD);
    const carol = await site.addUser('carol', {}, 'a-new-password');
    for (let i = 0; i < 6; i++) {
      const { status, body } = await site.primary.call(from, 'POST', '/v1/login', { body: old });
      assert.equal(status, 409);
      assert.equal(body.code, 'salt_changed');
      assert.deepEqual(body.now.subject, { epoch: 1, generation: carol.generation });
      assert.notEqual(body.now.salt, old.salt);
    }
    const anew = await site.loginRequest(site.primary, from, 'carol', 'a-new-password', old.loginId);
    assert.equal((await site.primary.call(from, 'POST', '/v1/login', { body: anew })).status, 200);
  });

  test('sent again with the same loginId gets the stored verdict, and makes no second event', async () => {
    await site.addUser('dora');
    for (const [password, status] of [
      [PASSWORD, 200],
      ['wrong', 401],
    ] as const) {
      const body = await site.loginRequest(site.primary, device, 'dora', password);
      const answers = await Promise.all([1, 2].map(() => site.primary.call(device, 'POST', '/v1/login', { body })));
      answers.push(await site.primary.call(device, 'POST', '/v1/login', { body }));
      assert.deepEqual(
        answers.map(answer => answer.status),
        [status, status, status],
      );
      const events = eventsOf('dora').filter(event => event.data.loginId === body.loginId);
      assert.equal(events.length, 1);
    }
    const failures = site.primary.deps.journal.failures({ sinceMs: 0, user: 'dora' });
    assert.equal(failures.length, 1);
  });

  test('a repeat of a grant is no grant once the account is disabled', async () => {
    await site.addUser('emma');
    const body = await site.loginRequest(site.primary, device, 'emma', PASSWORD);
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).status, 200);
    await site.put('User', 'emma', { disabled: true });
    const again = await site.primary.call(device, 'POST', '/v1/login', { body });
    assert.equal(again.body.code, 'account_disabled');
  });

  test('one loginId with many passwords: each is refused, also at once, and each counts', async () => {
    await site.addUser('frida');
    const from = await site.addDevice('tc-many');
    const loginId = randomUUID();
    const requests = await Promise.all(
      [1, 2, 3].map(i => site.loginRequest(site.primary, from, 'frida', `guess-${i}`, loginId)),
    );
    const answers = await Promise.all(requests.map(body => site.primary.call(from, 'POST', '/v1/login', { body })));
    assert.deepEqual(answers.map(({ body }) => body.code).toSorted(), [
      'credentials_invalid',
      'login_id_reused',
      'login_id_reused',
    ]);
    assert.equal(site.primary.deps.journal.failures({ sinceMs: 0, user: 'frida' }).length, 3);
    const right = await site.loginRequest(site.primary, from, 'frida', PASSWORD, loginId);
    assert.equal((await site.primary.call(from, 'POST', '/v1/login', { body: right })).body.code, 'login_id_reused');
  });

  test('who is stopped already adds no failures by sending one loginId again and again', async () => {
    await site.addUser('gerda');
    const from = await site.addDevice('tc-again');
    const loginId = randomUUID();
    const requests = await Promise.all(
      Array.from({ length: 33 }, (_, i) => site.loginRequest(site.primary, from, 'gerda', `guess-${i}`, loginId)),
    );
    const codes: string[] = [];
    for (const body of requests) codes.push((await site.primary.call(from, 'POST', '/v1/login', { body })).body.code);
    assert.equal(codes[0], 'credentials_invalid');
    assert.deepEqual(codes.slice(30), ['too_many_attempts', 'too_many_attempts', 'too_many_attempts']);
    assert.equal(site.primary.deps.journal.failures({ sinceMs: 0, user: 'gerda' }).length, 30);
  });

  test('a name that grows in its normal form leaves an event that every server can read', async () => {
    const from = await site.addDevice('tc-long');
    // U+0958 is two characters in NFC.
    const answer = await login('\u0958'.repeat(256), PASSWORD, from);
    assert.equal(answer.body.code, 'credentials_invalid');
    const [event] = site.primary.pending().filter(({ data }) => data.device === 'tc-long');
    assert.ok(parseValue(RecordedEvent, event).ok);
  });

  test('on a server that knows the user in an older version than the device is not judged: nothing told, nothing counted', async () => {
    const user = await site.addUser('fred');
    const from = await site.addDevice('tc-ahead');
    const knowing = async (generation: number, name: string, password: string) => {
      const body = await site.loginRequest(site.primary, from, name, password);
      const headers = { [KNOWN_SUBJECT_HEADER]: formatVersion({ epoch: 1, generation }) };
      return site.primary.call(from, 'POST', '/v1/login', { body, headers });
    };
    for (let i = 0; i < 40; i++) {
      const answers = [
        await knowing(1_000_000, 'fred', PASSWORD),
        await knowing(1_000_000, 'fred', `wrong-${i}`),
        await knowing(1_000_000, 'nobody-9', `wrong-${i}`),
      ];
      for (const { status, body } of answers) assert.deepEqual([status, body.code], [503, 'user_outdated']);
      const [[first, ...others]] = [answers.map(({ body }) => Object.keys(body))];
      for (const keys of others) assert.deepEqual(keys, first);
    }
    assert.deepEqual(eventsOf('fred'), []);
    assert.equal((await knowing(user.generation, 'fred', 'wrong')).status, 401);
    assert.equal((await knowing(user.generation, 'fred', PASSWORD)).status, 200);
  });

  test('five failures lock the user on this device for a minute, known or unknown, and nowhere else', async () => {
    await site.addUser('gina');
    const from = await site.addDevice('tc-lock');
    for (const user of ['gina', 'nobody-4']) {
      for (let i = 0; i < 5; i++) assert.equal((await login(user, `wrong-${i}`, from)).status, 401);
      const { status, body } = await login(user, PASSWORD, from);
      assert.equal(status, 423);
      assert.equal(body.code, 'account_locked');
      assert.ok(body.retryAfterMs > 0 && body.retryAfterMs <= MINUTE_MS);
    }
    assert.equal((await login('gina', PASSWORD)).status, 200);
    site.clock.forward(MINUTE_MS);
    assert.equal((await login('gina', PASSWORD, from)).status, 200);
  });

  test('a hundred guesses sent at once are counted like a hundred sent one after another', async () => {
    await site.addUser('hanna');
    const from = await site.addDevice('tc-storm');
    const requests = await Promise.all(
      Array.from({ length: 20 }, (_, i) => site.loginRequest(site.primary, from, 'hanna', `guess-${i}`)),
    );
    const answers = await Promise.all(requests.map(body => site.primary.call(from, 'POST', '/v1/login', { body })));
    const codes = answers.map(({ body }) => body.code);
    assert.equal(codes.filter(code => code === 'credentials_invalid').length, 5);
    assert.equal(codes.filter(code => code === 'account_locked').length, 15);
  });

  test("the helpdesk's unlock lets the user in at once", async () => {
    const from = await site.addDevice('tc-unlock');
    await site.addUser('ines');
    for (let i = 0; i < 5; i++) await login('ines', `wrong-${i}`, from);
    assert.equal((await login('ines', PASSWORD, from)).status, 423);
    await site.put('User', 'ines', { unlockedAt: new Date(site.clock.nowMs()).toISOString() });
    assert.equal((await login('ines', PASSWORD, from)).status, 200);
  });

  test('a device that asks about twenty names gets no further one', async () => {
    const from = await site.addDevice('tc-names');
    const begin = (user: string) => site.primary.call(from, 'POST', '/v1/login/begin', { body: { user } });
    for (let i = 0; i < 20; i++) assert.equal((await begin(`name-${i}`)).status, 200);
    const { status, body } = await begin('alice');
    assert.equal(status, 429);
    assert.equal(body.code, 'too_many_attempts');
    assert.ok(body.retryAfterMs > 0);
    assert.equal((await begin('name-7')).status, 200);
  });

  test('what is wrong with an account is told only after the right password', async () => {
    const past = new Date(site.clock.nowMs() - 1_000).toISOString();
    const cases: [string, object, string][] = [
      ['off', { disabled: true }, 'account_disabled'],
      ['shut', { locked: true }, 'account_locked'],
      ['gone', { expiresAt: past }, 'account_expired'],
      ['stale', { passwordExpiresAt: past }, 'password_expired'],
    ];
    for (const [name, body, code] of cases) {
      await site.addUser(name, body);
      assert.equal((await login(name, 'wrong')).body.code, 'credentials_invalid');
      const right = await login(name, PASSWORD);
      assert.equal(right.body.code, code);
      assert.ok(right.body.subject.generation > 0);
      assert.equal(right.body.retryAfterMs, undefined);
    }
  });

  test('a password that expires soon is granted with a word of warning', async () => {
    const soon = new Date(site.clock.nowMs() + 24 * 3_600_000).toISOString();
    await site.addUser('jana', { passwordExpiresAt: soon });
    const { body } = await login('jana', PASSWORD);
    assert.equal(body.verdict, 'granted');
    assert.match(body.warning, /expires on \d{4}-\d{2}-\d{2}/);
  });

  test('an expired password is granted with a warning where no Primary can change it', async () => {
    const past = new Date(site.clock.nowMs() - 1_000).toISOString();
    await site.addUser('judy', { passwordExpiresAt: past });
    const secondary = await site.startSecondary();
    await secondary.sync();
    const body = await site.loginRequest(secondary, device, 'judy', PASSWORD);
    const granted = await secondary.call(device, 'POST', '/v1/login', { body });
    assert.equal(granted.body.verdict, 'granted');
    assert.match(granted.body.warning, /expired on .* must be changed/);
  });

  test('a deleted user is answered like an unknown one, resting on the tombstone', async () => {
    await site.addUser('kim');
    const request = await site.loginRequest(site.primary, device, 'kim', PASSWORD);
    await site.remove('User', 'kim');
    const tombstone = site.primary.deps.replica.find('User', 'kim');
    const changed = await site.primary.call(device, 'POST', '/v1/login', { body: request });
    assert.equal(changed.body.code, 'salt_changed');
    const { body } = await login('kim', PASSWORD);
    assert.equal(body.code, 'credentials_invalid');
    assert.deepEqual(body.subject, { epoch: 1, generation: tombstone?.generation });
  });

  test('a user without a password cannot log in', async () => {
    await site.put('User', 'lena', {});
    assert.equal((await login('lena', PASSWORD)).body.code, 'credentials_invalid');
  });

  test('`method: password` is refused where no directory has the user', async () => {
    const body = { loginId: randomUUID(), user: 'alice', method: 'password', password: 'x' };
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).body.code, 'bad_request');
  });

  test('a draining server answers nothing but that', async () => {
    const body = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
    site.primary.become('draining');
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).body.code, 'draining');
    site.primary.become('unavailable');
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).body.code, 'not_serving');
    site.primary.become('degraded');
    const { body: granted } = await site.primary.call(device, 'POST', '/v1/login', { body });
    assert.equal(granted.server.state, 'degraded');
    site.primary.become('serving');
  });
});

describe('a proof', () => {
  test('is worth nothing at another server, from another device, or for another user', async () => {
    const site = await createDeviceSite();
    const secondary = await site.startSecondary();
    const [mine, other] = [await site.addDevice('tc-1'), await site.addDevice('tc-2')];
    await site.addUser('alice');
    await secondary.sync();
    const body = await site.loginRequest(site.primary, mine, 'alice', PASSWORD);
    assert.equal((await secondary.call(mine, 'POST', '/v1/login', { body })).body.code, 'credentials_invalid');
    assert.equal((await site.primary.call(other, 'POST', '/v1/login', { body })).body.code, 'credentials_invalid');
    const replayed = await site.primary.call(mine, 'POST', '/v1/login', { body: { ...body, loginId: randomUUID() } });
    assert.equal(replayed.body.code, 'credentials_invalid');
    // The loginId was bound by the first answer, to another device's try.
    assert.equal((await site.primary.call(mine, 'POST', '/v1/login', { body })).body.code, 'login_id_reused');
    await site.close();
  });
});

describe('a server whose disk takes nothing', () => {
  test('grants and denies nothing: what cannot be written down is not answered', async () => {
    const { JournalUnavailable } = await import('../journal/errors.ts');
    let full = false;
    const site = await createDeviceSite({
      journal: real => ({
        ...real,
        append: entry => (full ? Promise.reject(new JournalUnavailable(new Error('no space'))) : real.append(entry)),
      }),
    });
    const device = await site.addDevice('tc-1');
    await site.addUser('alice');
    const right = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
    const wrong = await site.loginRequest(site.primary, device, 'alice', 'wrong');
    full = true;
    for (const body of [right, wrong]) {
      assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).body.code, 'not_serving');
    }
    full = false;
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body: right })).status, 200);
    await site.close();
  });
});
