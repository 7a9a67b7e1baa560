import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  DEFAULT_KDF,
  PROVED_SESSION_HEADER,
  SESSION_BEGAN_HEADER,
  WEEK_HOURS_BYTES,
  weekHours,
} from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, type TestDevice } from '../../../../test/support/device-site.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import type { Directories, DirectoryAccount, DirectoryAnswer, DirectoryStatus } from '../directory/directories.ts';

const EVE: DirectoryAccount = {
  ...{
    userId: '7d4ad2b6-8c1e-5f6a-9d2b-0c3e4f5a6b7c',
    name: 'eve@lab.test',
    displayName: 'Eve',
    groups: ['nurses', 'others'],
  },
};
const RIGHT = 'the-right-password';
/** Failures of one user on one device, until the next one waits. */
const MAX_GUESSES = 5;

/** A directory that says what a test wants, and counts what it is asked. */
function fakeDirectory() {
  let status: DirectoryStatus = { kind: 'ok', account: EVE };
  let answer: (password: string) => DirectoryAnswer | Promise<DirectoryAnswer> = byPassword;
  let binds = 0;
  const directories: Directories = {
    claims: user =>
      /@lab\.test$/i.test(user) || /^lab\\/i.test(user) ? 'by_domain' : user.includes('@') ? 'none' : 'plain',
    keysOf: user => [`${user.replace(/@.*|^.*\\/, '').toLowerCase()}@lab.test`],
    spellingsOf: user => [user],
    async login(_user, password) {
      binds += 1;
      return answer(password);
    },
    status: async () => status,
    async changePassword(_user, password) {
      binds += 1;
      const said = await answer(password);
      if (said.kind === 'granted') return { kind: 'changed' };
      return said.kind === 'denied' ? { kind: 'denied', code: said.code } : { kind: 'unavailable' };
    },
    close() {},
  };
  return {
    directories,
    binds: () => binds,
    says: (next: typeof answer) => {
      answer = next;
    },
    hasStatus: (next: DirectoryStatus) => {
      status = next;
    },
    reset() {
      status = { kind: 'ok', account: EVE };
      answer = byPassword;
    },
  };
}
function byPassword(password: string): DirectoryAnswer {
  return password === RIGHT ? { kind: 'granted', account: EVE } : { kind: 'denied', code: 'credentials_invalid' };
}

describe('a login of a directory user', () => {
  const fake = fakeDirectory();
  let site: DeviceSite;
  let device: TestDevice;
  let made = 0;
  before(async () => {
    site = await createDeviceSite({ directories: fake.directories });
    await site.put('UserGroup', 'nurses', {});
  });
  after(() => site.close());
  afterEach(fake.reset);
  const newDevice = async () => {
    made += 1;
    device = await site.addDevice(`tc-${made}`);
  };
  const post = (path: string, body: object, token?: string) =>
    site.primary.call(device, 'POST', path, { body, ...(token !== undefined && { token }) });
  const login = (password = RIGHT, user = 'eve@lab.test', loginId = randomUUID()) =>
    post('/v1/login', { method: 'password', loginId, user, password });
  const codeOf = ({ status, body }: Awaited<ReturnType<typeof login>>) => (status === 200 ? 'granted' : body.code);

  test('is by the password itself, and gives bundle and session with the groups that the site knows', async () => {
    await newDevice();
    assert.deepEqual((await post('/v1/login/begin', { user: 'LAB\\eve' })).body, { method: 'password' });
    const { body } = await login();
    assert.deepEqual(body.bundle.user, {
      id: EVE.userId,
      name: 'eve@lab.test',
      displayName: 'Eve',
      groups: ['nurses'],
    });
    assert.deepEqual(body.subject, { epoch: 0, generation: 0 });
    const { status } = await site.primary.call(device, 'GET', '/v1/user/bundle', { token: body.session.token });
    assert.equal(status, 200);
  });

  test('tells what a row of this user is to cost on the device: as much as the site’s own keys', async () => {
    await newDevice();
    assert.deepEqual((await login()).body.sealing, DEFAULT_KDF);
    const dear = { ...DEFAULT_KDF, passes: 4 };
    await site.put('SiteSettings', 'site', { kdf: dear });
    assert.deepEqual((await login()).body.sealing, dear);
    await site.put('SiteSettings', 'site', {});
  });

  test('whose directory knows hours takes them along: offline they hold too, on whichever server the session goes on', async () => {
    await newDevice();
    const never = weekHours(new Uint8Array(WEEK_HOURS_BYTES)) ?? assert.fail('no hours');
    const account = { ...EVE, hours: never };
    fake.says(() => ({ kind: 'granted', account }));
    const { body } = await login();
    assert.equal(body.bundle.offline.directoryHours, never);
    const secondary = await site.startSecondary();
    const elsewhere = await secondary.call(device, 'GET', '/v1/user/bundle', { token: body.session.token });
    assert.equal(elsewhere.body.offline?.directoryHours, never);
    assert.equal(elsewhere.body.etag, body.bundle.etag);
    fake.hasStatus({ kind: 'ok', account });
    const request = { loginId: randomUUID(), user: 'eve@lab.test', userId: EVE.userId };
    assert.equal((await post('/v1/session/vouch', request)).body.code, 'not_permitted');
    const refreshed = await post('/v1/session', {}, body.session.token);
    assert.equal(refreshed.status, 200, 'whoever works goes on');
    fake.says(byPassword);
    assert.equal((await login()).body.bundle.offline.directoryHours, undefined);
  });

  test('who worked offline when the hours of the directory ended goes on, as with a rule of the site', async () => {
    await newDevice();
    await login();
    const beganMs = Date.now() - 2 * 60 * 60_000;
    /** The one hour of the week in which this is. */
    const hourOf = (ms: number) => {
      const hour = Math.floor(ms / 3_600_000 + 4 * 24) % (7 * 24);
      const bytes = new Uint8Array(WEEK_HOURS_BYTES);
      bytes[Math.floor(hour / 8)] = 1 << (hour % 8);
      return weekHours(bytes) ?? assert.fail('no hours');
    };
    const vouchedFor = async (hours: string, began: number) => {
      fake.hasStatus({ kind: 'ok', account: { ...EVE, hours } });
      const body = { loginId: randomUUID(), user: 'eve@lab.test', userId: EVE.userId };
      const headers = { [PROVED_SESSION_HEADER]: randomUUID(), [SESSION_BEGAN_HEADER]: `${began}` };
      const answer = await site.primary.call(device, 'POST', '/v1/session/vouch', { body, headers });
      return answer.body.code ?? answer.body.verdict;
    };
    assert.equal(await vouchedFor(hourOf(beganMs), beganMs), 'granted', 'it began within them');
    assert.equal(await vouchedFor(hourOf(beganMs), Date.now()), 'not_permitted');
    assert.equal(await vouchedFor(hourOf(Date.now()), beganMs), 'not_permitted', 'it began out of them');
  });

  test('repeated is answered as before, without another bind; anything else under its id is refused', async () => {
    await newDevice();
    for (const password of [RIGHT, 'wrong']) {
      const loginId = randomUUID();
      const before = fake.binds();
      const [first, second] = await Promise.all([
        login(password, undefined, loginId),
        login(password, undefined, loginId),
      ]);
      assert.equal(codeOf(first), codeOf(second));
      assert.equal(codeOf(await login(password, undefined, loginId)), codeOf(first));
      assert.equal(fake.binds(), before + 1);
      assert.equal(codeOf(await login('another', undefined, loginId)), 'login_id_reused');
      assert.equal(fake.binds(), before + 1);
    }
  });

  test('that the directory left undecided is not sent to it again; one that it was not asked about is', async () => {
    await newDevice();
    const loginId = randomUUID();
    fake.says(() => ({ kind: 'undecided' }));
    const before = fake.binds();
    assert.equal(codeOf(await login(RIGHT, undefined, loginId)), 'directory_undecided');
    fake.says(byPassword);
    assert.equal(codeOf(await login(RIGHT, undefined, loginId)), 'directory_undecided');
    assert.equal(fake.binds(), before + 1);

    const other = randomUUID();
    for (const [said, code] of [
      [{ kind: 'unavailable' }, 'directory_unavailable'],
      [{ kind: 'overloaded', retryAfterMs: 700 }, 'overloaded'],
    ] as const) {
      fake.says(() => said);
      assert.equal(codeOf(await login(RIGHT, undefined, other)), code);
    }
    fake.says(byPassword);
    assert.equal(codeOf(await login(RIGHT, undefined, other)), 'granted');
  });

  test('of many guesses sent at once the directory hears no more than of guesses one after the other', async () => {
    await newDevice();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    fake.says(async password => {
      await answered;
      return byPassword(password);
    });
    const before = fake.binds();
    const guesses = Array.from({ length: 30 }, (_, at) => login(`guess-${at}`, 'mallory@lab.test'));
    let told = 0;
    for (const guess of guesses) guess.then(() => (told += 1)).catch(() => {});
    await waitFor(
      'each to be asked about, or refused',
      () => told + fake.binds() - before >= guesses.length || undefined,
    );
    answer();
    const codes = (await Promise.all(guesses)).map(codeOf);
    assert.equal(fake.binds(), before + MAX_GUESSES);
    assert.equal(codes.filter(code => code === 'credentials_invalid').length, MAX_GUESSES);
    fake.says(byPassword);
    assert.equal(
      codeOf(await login(RIGHT, 'another@lab.test')),
      'granted',
      'the others of the device are not concerned',
    );
  });

  test('guesses at a change of password are guesses, sent all at once or not, and the helpdesk opens it again', async () => {
    await newDevice();
    const change = (password: string) =>
      post('/v1/password', {
        ...{ changeId: randomUUID(), user: 'eve@lab.test', method: 'password' },
        ...{ password, newPassword: 'another-password' },
      });
    const before = fake.binds();
    const waiting: (() => void)[] = [];
    fake.says(password => new Promise(resolve => waiting.push(() => resolve(byPassword(password)))));
    let told = 0;
    const guesses = Array.from({ length: 3 * MAX_GUESSES }, () =>
      change('wrong').then(answer => {
        told += 1;
        return answer;
      }),
    );
    await waitFor('every guess to be under way or refused', () => told + waiting.length >= guesses.length || undefined);
    for (const answer of waiting) answer();
    const codes = (await Promise.all(guesses)).map(codeOf);
    assert.equal(fake.binds(), before + MAX_GUESSES);
    assert.equal(codes.filter(code => code === 'credentials_invalid').length, MAX_GUESSES);
    fake.says(byPassword);
    assert.equal((await change(RIGHT)).body.code, 'account_locked');
    await site.put('User', 'eve@lab.test', { unlockedAt: new Date(site.clock.nowMs() + 1).toISOString() });
    site.clock.forward(10);
    assert.equal((await change(RIGHT)).status, 200);
    await site.put('User', 'eve@lab.test', {});
  });

  test('of a disabled account says whose it is, whatever name was typed, also when it is asked again; nothing else does', async () => {
    await newDevice();
    const loginId = randomUUID();
    fake.says(() => ({ kind: 'denied', code: 'account_disabled', userId: EVE.userId }));
    for (let time = 0; time < 2; time += 1) {
      const { body } = await login(RIGHT, 'LAB\\eve', loginId);
      assert.deepEqual([body.code, body.userId], ['account_disabled', EVE.userId]);
    }
    fake.says(byPassword);
    await site.put('User', 'eve@lab.test', { disabled: true });
    assert.equal((await login(RIGHT, 'eve')).body.userId, EVE.userId, 'by an administrator’s word');
    assert.equal((await login('wrong', 'eve')).body.userId, undefined);
    await site.put('User', 'eve@lab.test', {});
    fake.says(() => ({ kind: 'denied', code: 'account_expired', userId: EVE.userId }));
    assert.equal((await login()).body.userId, undefined);
  });

  test('that the directory did not decide is no guess', async () => {
    await newDevice();
    fake.says(() => ({ kind: 'unavailable' }));
    for (let at = 0; at < 2 * MAX_GUESSES; at += 1) assert.equal(codeOf(await login()), 'directory_unavailable');
    fake.says(byPassword);
    assert.equal(codeOf(await login()), 'granted');
  });

  test('is stopped before the directory hears of it, under whatever form of the name, and opened by the helpdesk', async () => {
    await newDevice();
    for (const name of ['eve@lab.test', 'EVE@lab.test', 'LAB\\eve', 'eve', 'Eve']) {
      assert.equal(codeOf(await login('wrong', name)), 'credentials_invalid');
    }
    const before = fake.binds();
    const locked = await login(RIGHT);
    assert.equal(locked.body.code, 'account_locked');
    assert.ok(locked.body.retryAfterMs > 0);
    assert.equal(fake.binds(), before);
    await site.put('User', 'eve@lab.test', { unlockedAt: new Date(site.clock.nowMs() + 1).toISOString() });
    site.clock.forward(10);
    assert.equal(codeOf(await login(RIGHT)), 'granted');
  });

  test('under another name of the same person, which the directory alone knows, is counted with the others', async () => {
    await newDevice();
    const ofEve = (password: string): DirectoryAnswer =>
      password === RIGHT
        ? { kind: 'granted', account: EVE }
        : { kind: 'denied', code: 'credentials_invalid', name: EVE.name };
    fake.says(ofEve);
    const names = ['eve.rossi@lab.test', 'eve', 'EVE.ROSSI@lab.test', 'évé@lab.test', 'eve.rossi@lab.test'];
    for (const name of names) assert.equal(codeOf(await login('wrong', name)), 'credentials_invalid', name);
    const before = fake.binds();
    for (const name of ['eve', 'eve.rossi@lab.test', 'évé@lab.test'])
      assert.equal(codeOf(await login(RIGHT, name)), 'account_locked', name);
    assert.equal(fake.binds(), before, 'known by now: the directory hears of none of them');
    // One that nobody has typed yet: the answer itself tells whose it is.
    assert.equal(codeOf(await login(RIGHT, 'éve@lab.test')), 'account_locked');
    assert.equal(codeOf(await login('wrong', 'evè@lab.test')), 'account_locked', 'right or wrong');
    await site.put('User', 'eve@lab.test', { unlockedAt: new Date(site.clock.nowMs() + 1).toISOString() });
    site.clock.forward(10);
    assert.equal(codeOf(await login(RIGHT, 'eve.rossi@lab.test')), 'granted', 'the helpdesk opens all of them');
    await site.put('User', 'eve@lab.test', {});
  });

  test('a lock that only the answer tells of is told no sooner for the right password', async () => {
    await newDevice();
    const { promise: beat, resolve: strike } = Promise.withResolvers<void>();
    fake.says(password =>
      password === RIGHT
        ? { kind: 'granted', account: EVE, untilBeat: () => beat }
        : { kind: 'denied', code: 'credentials_invalid', name: EVE.name },
    );
    for (let at = 0; at < MAX_GUESSES; at += 1) await login('wrong', 'eve');
    let isTold = false;
    const right = login(RIGHT, 'eve.d@lab.test').then(answer => {
      isTold = true;
      return codeOf(answer);
    });
    // Another request of the same device, sent later, is long over.
    assert.equal(codeOf(await login('wrong', 'eve')), 'account_locked');
    assert.equal(codeOf(await login('wrong', 'eve')), 'account_locked');
    assert.ok(!isTold);
    strike();
    assert.equal(await right, 'account_locked');
  });

  test('a fifth guess under a new name is answered like a fifth, and a grant under one name clears the others', async () => {
    await newDevice();
    fake.says(password =>
      password === RIGHT
        ? { kind: 'granted', account: EVE }
        : { kind: 'denied', code: 'credentials_invalid', name: EVE.name },
    );
    for (let at = 0; at < MAX_GUESSES - 1; at += 1) await login('wrong', 'eve');
    assert.equal(codeOf(await login('wrong', 'eve.b@lab.test')), 'credentials_invalid');
    site.clock.forward(61_000);
    assert.equal(codeOf(await login(RIGHT, 'eve.c@lab.test')), 'granted');
    for (let at = 0; at < MAX_GUESSES; at += 1)
      assert.equal(codeOf(await login('wrong', 'eve')), 'credentials_invalid', `guess ${at}`);
    assert.equal(codeOf(await login('wrong', 'eve')), 'account_locked');
  });

  test('a directory that does not answer counts against nobody', async () => {
    await newDevice();
    fake.says(() => ({ kind: 'unavailable' }));
    for (let at = 0; at < 8; at += 1) assert.equal(codeOf(await login()), 'directory_unavailable');
    fake.says(byPassword);
    assert.equal(codeOf(await login()), 'granted');
  });

  test('a local user with a password goes before, and is never asked for it', async () => {
    await newDevice();
    await site.addUser('mara');
    assert.equal((await post('/v1/login/begin', { user: 'mara' })).body.method, 'derived');
    assert.equal(codeOf(await login(RIGHT, 'mara')), 'bad_request');
    assert.equal((await post('/v1/login/begin', { user: 'nobody' })).body.method, 'password');
  });

  test('a session is refreshed as long as the directory has nothing against it; silence is nothing against it', async () => {
    await newDevice();
    const { body } = await login();
    const refresh = async () => {
      const { status, body: answer } = await post('/v1/session', {}, body.session.token);
      return status === 200 ? 'refreshed' : answer.code;
    };
    assert.equal(await refresh(), 'refreshed');
    for (const kind of ['unavailable', 'undecided', 'not_told'] as const) {
      fake.hasStatus({ kind });
      assert.equal(await refresh(), 'refreshed');
    }
    fake.hasStatus({ kind: 'refused', code: 'account_disabled' });
    assert.equal(await refresh(), 'account_disabled');
    fake.hasStatus({ kind: 'unknown' });
    assert.equal(await refresh(), 'session_invalid');
    fake.hasStatus({ kind: 'ok', account: { ...EVE, userId: randomUUID() } });
    assert.equal(await refresh(), 'session_invalid', 'the name is another person now');
  });

  const pull = async (token: string, at = site.primary) => {
    const { status, body } = await at.call(device, 'GET', '/v1/user/bundle', { token });
    return status === 200 ? (body.user.groups as string[]) : body.code;
  };
  const refreshed = async (token: string, at = site.primary) =>
    (await at.call(device, 'POST', '/v1/session', { token })).body.session?.token as string;
  const withGroups = (groups: readonly string[]) => ({ ...EVE, groups });

  test('a group that came or went while another server refreshed the session stays so', async () => {
    await newDevice();
    const secondary = await site.startSecondary();
    for (const name of ['wards', 'locums']) await site.put('UserGroup', name, {});
    await secondary.sync();
    fake.says(() => ({ kind: 'granted', account: withGroups(['nurses', 'wards']) }));
    const first = (await login()).body.session.token;
    assert.deepEqual(await pull(first), ['nurses', 'wards']);
    site.clock.forward(1_000);
    fake.hasStatus({ kind: 'ok', account: withGroups(['nurses', 'locums']) });
    const second = await refreshed(first, secondary);
    assert.deepEqual(await pull(second, secondary), ['locums', 'nurses']);
    assert.deepEqual(await pull(second), ['locums', 'nurses'], 'this server had heard of others');

    // The other way round: this server has heard the directory later than the token's.
    site.clock.forward(1_000);
    fake.says(() => ({ kind: 'granted', account: withGroups(['nurses']) }));
    await login();
    assert.deepEqual(await pull(second), ['nurses']);
    fake.hasStatus({ kind: 'unavailable' });
    const third = await refreshed(second);
    assert.deepEqual(await pull(third, secondary), ['nurses'], 'it travels with the token');
    await secondary.close();
  });

  test('of more groups than a token has room for none is lost: the directory is asked, or the device keeps what it has', async () => {
    await newDevice();
    const many = Array.from(
      { length: 40 },
      (_, at) => `${'a-group-of-the-directory-'.repeat(2)}${String(at).padStart(3, '0')}`,
    );
    for (const name of many) await site.put('UserGroup', name, {});
    const secondary = await site.startSecondary();
    fake.says(() => ({ kind: 'granted', account: withGroups(many) }));
    fake.hasStatus({ kind: 'unavailable' });
    const token = (await login()).body.session.token;
    assert.deepEqual(await pull(token), many, 'this server has heard them all');
    assert.equal(await pull(token, secondary), 'directory_unavailable');
    // Where the place is for one of the groups that the token does not name, nobody is thrown out.
    await site.put('Policy', 'place', { settings: { 'access.userGroups': [many.at(-1)] } });
    await site.put('Assignment', 'place', { policy: 'place', to: { site: true } });
    await secondary.sync();
    const again = await refreshed(token, secondary);
    assert.equal(await pull(again, secondary), 'directory_unavailable', 'a cut list is one still');
    fake.hasStatus({ kind: 'ok', account: withGroups(many) });
    assert.deepEqual(await pull(again, secondary), many);
    assert.equal(typeof (await refreshed(again, secondary)), 'string');
    // All are known now, and it is none of them.
    fake.hasStatus({ kind: 'ok', account: withGroups(many.slice(0, -1)) });
    const { body } = await secondary.call(device, 'POST', '/v1/session', { token: again });
    assert.equal(body.code, 'not_permitted');
    await site.remove('Assignment', 'place');
    await secondary.close();
  });

  test('an offline session is vouched for only where the password was right before, and for the same person', async () => {
    await newDevice();
    const vouch = async (more: object = {}) => {
      const request = { loginId: randomUUID(), user: 'eve@lab.test', userId: EVE.userId, ...more };
      const { status, body } = await post('/v1/session/vouch', request);
      return status === 200 ? body.verdict : body.code;
    };
    assert.equal(await vouch(), 'session_invalid', 'nobody has logged in here');
    await login();
    assert.equal(await vouch(), 'granted');
    assert.equal(await vouch({ userId: randomUUID() }), 'session_invalid');
    fake.hasStatus({ kind: 'unavailable' });
    assert.equal(await vouch(), 'directory_unavailable');
    fake.hasStatus({ kind: 'not_told' });
    assert.equal(await vouch(), 'session_invalid');
    fake.hasStatus({ kind: 'refused', code: 'account_disabled' });
    assert.equal(await vouch(), 'account_disabled');
  });

  test('a device with a session hears at once what is said of its user in an object: ended, disabled; others hear nothing', async () => {
    await newDevice();
    const { body } = await login();
    const channel = await site.primary.channel(device);
    channel.send({ type: 'hello', agentVersion: '0.1.0', users: [EVE.userId], statement: [1, 1] });
    await channel.next('hello');
    const session = { loginId: body.session.id ?? randomUUID(), userId: EVE.userId };
    channel.send({
      ...{ type: 'status', mode: 'online', version: { epoch: 1, generation: 1 }, session, pendingEvents: 0 },
    });
    await waitFor('the session', () =>
      site.primary.plane.connectedDevices().some(({ sessionUser }) => sessionUser === EVE.userId) ? true : undefined,
    );
    assert.equal((await channel.next('changed')).userId, EVE.userId, 'the bundle that it did not say it has');
    const pull = () => site.primary.call(device, 'GET', '/v1/user/bundle', { token: body.session.token });
    assert.equal((await pull()).status, 200);
    await site.put('User', 'adam@lab.test', { sessionsNotBefore: new Date(site.clock.nowMs() + 1).toISOString() });
    await site.put('User', 'eve@lab.test', { sessionsNotBefore: new Date(site.clock.nowMs() + 1).toISOString() });
    assert.equal((await channel.next('changed')).userId, EVE.userId);
    assert.equal((await pull()).body.code, 'session_invalid');
    assert.equal(channel.frames.filter(({ type }) => type === 'changed').length, 2);
    await site.put('User', 'eve@lab.test', { disabled: true });
    assert.equal((await channel.next('changed')).userId, EVE.userId);
    assert.equal((await pull()).body.code, 'account_disabled');
    channel.socket.terminate();
    await site.remove('User', 'eve@lab.test');
  });

  test('with a name that more than one directory has is refused as a wrong password is; the event says why, the answer does not', async () => {
    await newDevice();
    fake.says(() => ({ kind: 'denied', code: 'credentials_invalid', why: 'ambiguous' }));
    const { status, body } = await login(RIGHT, 'eve');
    assert.deepEqual([status, body.code], [401, 'credentials_invalid']);
    assert.doesNotMatch(JSON.stringify(body), /ambiguous/);
    assert.match(JSON.stringify(site.primary.pending()), /"why":"ambiguous"/);
    fake.reset();
  });

  test('no password in an event, an answer, or what waits in the journal', async () => {
    await newDevice();
    const answers = [await login('a-secret-that-is-wrong'), await login(RIGHT)];
    const written = JSON.stringify([site.primary.pending(), answers.map(({ body }) => body)]);
    for (const secret of ['a-secret-that-is-wrong', RIGHT]) assert.ok(!written.includes(secret));
  });
});
