import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { PROVED_SESSION_HEADER, SESSION_BEGAN_HEADER } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../../../../test/support/device-site.ts';

const MINUTE_MS = 60_000;

describe('a session', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    device = await site.addDevice('tc-1');
  });
  after(() => site.close());
  const open = async (user: string, more = {}, loginId: string = randomUUID()) => {
    await site.addUser(user, more);
    const body = await site.loginRequest(site.primary, device, user, PASSWORD, loginId);
    return (await site.primary.call(device, 'POST', '/v1/login', { body })).body.session.token as string;
  };
  const refresh = (token: string, from = device, server = site.primary) =>
    server.call(from, 'POST', '/v1/session', { token });

  test('is refreshed by any server, and gives the user’s bundle', async () => {
    const token = await open('alice');
    const secondary = await site.startSecondary();
    const { status, body } = await refresh(token, device, secondary);
    assert.equal(status, 200);
    assert.ok(body.session.expiresAt > body.serverTime);
    const bundle = await secondary.call(device, 'GET', '/v1/user/bundle', { token: body.session.token });
    assert.equal(bundle.body.user.name, 'alice');
    const again = await secondary.call(device, 'GET', '/v1/user/bundle', {
      token: body.session.token,
      headers: { 'if-none-match': `"${bundle.body.etag}"` },
    });
    assert.equal(again.status, 304);
  });
  test('belongs to one device', async () => {
    const token = await open('bob');
    const other = await site.addDevice('tc-2');
    assert.equal((await refresh(token, other)).body.code, 'session_invalid');
    assert.equal((await refresh('garbage')).body.code, 'session_invalid');
    assert.equal((await site.primary.call(device, 'POST', '/v1/session')).body.code, 'session_invalid');
  });
  test('ends with the account, the password, or an administrator’s word, and says what that rests on', async () => {
    const ends: [string, () => Promise<unknown>, string][] = [
      ['disabled', () => site.put('User', 'disabled', { disabled: true }), 'account_disabled'],
      ['locked', () => site.put('User', 'locked', { locked: true }), 'account_locked'],
      ['changed', () => site.addUser('changed', {}, 'another-password'), 'session_invalid'],
      ['deleted', () => site.remove('User', 'deleted'), 'session_invalid'],
      [
        'ended',
        () => site.put('User', 'ended', { sessionsNotBefore: new Date(site.clock.nowMs() + 1000).toISOString() }),
        'session_invalid',
      ],
    ];
    for (const [user, end, code] of ends) {
      const token = await open(user);
      assert.equal((await refresh(token)).status, 200);
      await end();
      const { body } = await refresh(token);
      assert.equal(body.code, code);
      const { generation } = site.primary.deps.replica.find('User', user) ?? {};
      assert.deepEqual(body.subject, { epoch: 1, generation });
    }
  });
  test('a password that was changed after this server’s data were made does not end it here', async () => {
    await site.addUser('carol');
    const secondary = await site.startSecondary();
    const token = await open('carol');
    assert.equal((await refresh(token, device, secondary)).status, 200);
    await secondary.sync();
    assert.equal((await refresh(token, device, secondary)).status, 200);
  });
  test('ends at logout, for the refreshed tokens too; an expired token still logs out', async () => {
    const token = await open('dora');
    const renewed = (await refresh(token)).body.session.token;
    const logout = (one: string) => site.primary.call(device, 'POST', '/v1/logout', { token: one });
    assert.deepEqual((await logout(token)).body, { ended: true });
    assert.equal((await refresh(renewed)).body.code, 'session_invalid');
    assert.deepEqual((await logout(renewed)).body, { ended: false });
    const late = await open('emma');
    site.clock.forward(20 * MINUTE_MS);
    assert.equal((await refresh(late)).body.code, 'session_invalid');
    assert.deepEqual((await logout(late)).body, { ended: true });
  });
  test('belongs to users who may be there: it ends when the place is closed to them, not when their hours are over', async () => {
    const token = await open('gina');
    const rule = (settings: object) => site.put('Policy', 'rule', { settings });
    await rule({ 'access.hours': { times: [] } });
    await site.put('Assignment', 'rule', { policy: 'rule', to: { user: 'gina' } });
    assert.equal((await refresh(token)).status, 200);
    const again = async (user = 'gina') => {
      const body = await site.loginRequest(site.primary, device, user, PASSWORD);
      return (await site.primary.call(device, 'POST', '/v1/login', { body })).body;
    };
    const never = await again();
    assert.deepEqual([never.code, never.retryAfterMs], ['not_permitted', undefined]);
    await rule({ 'access.devices': ['tc-2'] });
    assert.equal((await refresh(token)).body.code, 'not_permitted');
    assert.equal((await again()).code, 'not_permitted');
    const whys = site.primary.pending().filter(({ data }) => data.reason === 'not_permitted');
    assert.deepEqual(
      whys.map(({ data }) => data.why),
      ['hours', 'place'],
    );
    const tomorrow = new Date(site.clock.nowMs() + 24 * 60 * MINUTE_MS);
    const name = tomorrow.toLocaleDateString('en-US', { weekday: 'long', timeZone: 'UTC' }).toLowerCase();
    const times = [{ days: [name], from: '00:00', to: '23:59' }];
    await rule({ 'access.devices': null, 'access.hours': { timeZone: 'UTC', times } });
    const later = await again();
    const begins = new Date(site.clock.nowMs() + later.retryAfterMs).toISOString();
    assert.deepEqual([later.code, begins.slice(11, 19)], ['not_permitted', '00:00:00'], 'when it is permitted again');
    assert.equal((await refresh(token)).status, 200, 'whoever works goes on');
    await rule({ 'access.devices': null, 'access.hours': { timeZone: 'Europe/Rome', times: everyDay() } });
    const granted = await again();
    assert.equal(granted.verdict, 'granted');
    assert.deepEqual(granted.bundle.offline.hours, { timeZone: 'Europe/Rome', times: everyDay() });
  });
  test('that is proved is judged by when it began, by what its device says of that or by its id', async () => {
    await site.addUser('kate');
    const nowMs = site.clock.nowMs();
    const ago = (minutes: number) => nowMs - minutes * MINUTE_MS;
    const hourAt = (ms: number) => new Date(ms).toISOString().slice(11, 16);
    const [first] = everyDay();
    const times = [{ ...first, from: hourAt(ago(120)), to: hourAt(ago(60)) }];
    await site.put('Policy', 'earlier', { settings: { 'access.hours': { timeZone: 'UTC', times } } });
    await site.put('Assignment', 'earlier', { policy: 'earlier', to: { user: 'kate' } });
    const login = async (headers: Record<string, string>) => {
      const body = await site.loginRequest(site.primary, device, 'kate', PASSWORD);
      return (await site.primary.call(device, 'POST', '/v1/login', { body, headers })).body;
    };
    const proved = (id: string, began?: number) =>
      login({ [PROVED_SESSION_HEADER]: id, ...(began !== undefined && { [SESSION_BEGAN_HEADER]: `${began}` }) });
    assert.equal((await login({})).code, 'not_permitted');
    assert.equal((await proved(idOf(nowMs), ago(180))).code, 'not_permitted');
    assert.equal((await proved(idOf(ago(180)))).code, 'not_permitted');
    // An agent of before does not say; of a clock that is ahead it began now.
    assert.equal((await proved(idOf(ago(90)))).verdict, 'granted');
    assert.equal((await proved(idOf(nowMs + 90 * MINUTE_MS))).code, 'not_permitted');
    const granted = await proved(idOf(nowMs + 90 * MINUTE_MS), ago(90));
    assert.equal(granted.verdict, 'granted');
    const since = () => site.primary.plane.book.all().find(({ user }) => user === 'kate')?.sinceMs;
    assert.equal(since(), ago(90));
    assert.equal((await refresh(granted.session.token)).status, 200);
    assert.equal(since(), ago(90));
    // What an administrator ended before it was proved is over, whatever its id says.
    await site.put('User', 'kate', { sessionsNotBefore: new Date(ago(80)).toISOString() });
    assert.equal((await proved(idOf(nowMs), ago(90))).code, 'session_invalid');
  });
  test('is told nothing of rules before the password was right', async () => {
    await site.addUser('hugo');
    await site.put('Policy', 'never', { settings: { 'access.hours': { times: [] } } });
    await site.put('Assignment', 'never', { policy: 'never', to: { user: 'hugo' } });
    const body = await site.loginRequest(site.primary, device, 'hugo', 'a-wrong-password');
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).body.code, 'credentials_invalid');
  });
  test('is the only one of its user where a policy says so: the older one ends, or the newer login is refused', async () => {
    const other = await site.addDevice('tc-3');
    await site.put('Policy', 'one', { settings: { 'access.maxSessions': 1 } });
    await site.put('Assignment', 'one', { policy: 'one', to: { user: 'ida' } });
    const first = await open('ida');
    const loginOn = async (where: TestDevice, headers: Record<string, string> = {}) => {
      const body = await site.loginRequest(site.primary, where, 'ida', PASSWORD);
      return (await site.primary.call(where, 'POST', '/v1/login', { body, headers })).body;
    };
    const second = (await loginOn(other)).session.token;
    assert.equal((await refresh(first)).body.code, 'session_invalid');
    assert.equal((await refresh(second, other)).status, 200);
    // The same device again is no second session.
    const third = (await loginOn(other)).session.token;
    const where = () => site.primary.plane.book.all().flatMap(({ user, device: on }) => (user === 'ida' ? [on] : []));
    assert.deepEqual(where(), ['tc-3']);

    // What was ended while its device saw nobody is not opened again by proving it.
    const ended = JSON.parse(Buffer.from(first.split('.')[1] ?? '', 'base64url').toString()).jti;
    assert.equal((await loginOn(device, { [PROVED_SESSION_HEADER]: ended })).code, 'session_invalid');

    await site.put('Policy', 'one', { settings: { 'access.maxSessions': 1, 'access.whenTooMany': 'refuse' } });
    assert.equal((await loginOn(device)).code, 'too_many_sessions');
    await site.primary.call(other, 'POST', '/v1/logout', { token: third });
    assert.equal((await loginOn(device)).verdict, 'granted');
    assert.deepEqual(where(), ['tc-1']);
  });
  test('of two logins at the same moment one knows of the other', async () => {
    const other = await site.addDevice('tc-4');
    await site.addUser('jane');
    await site.put('Policy', 'refuse', { settings: { 'access.maxSessions': 1, 'access.whenTooMany': 'refuse' } });
    await site.put('Assignment', 'refuse', { policy: 'refuse', to: { user: 'jane' } });
    const requests = await Promise.all(
      [device, other].map(where => site.loginRequest(site.primary, where, 'jane', PASSWORD)),
    );
    const answers = await Promise.all(
      [device, other].map((where, at) => site.primary.call(where, 'POST', '/v1/login', { body: requests[at] })),
    );
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 403]);
  });
  test('is in no book any more once its device is revoked, deleted, or has another key: other servers hear it at once', async () => {
    await site.addUser('leo');
    const told: string[] = [];
    site.primary.plane.book.onChange(({ closed, from }) => {
      if (from === undefined) told.push(...closed);
    });
    const ends: [string, (name: string) => Promise<unknown>][] = [
      ['revoked', name => site.put('Device', name, { revoked: true })],
      ['deleted', name => site.remove('Device', name)],
      ['enrolled again', name => site.put('Device', name, {}, { keyHash: 'k'.repeat(43) })],
    ];
    for (const [how, end] of ends) {
      const gone = await site.addDevice(`gone-${how.replace(' ', '-')}`);
      const body = await site.loginRequest(site.primary, gone, 'leo', PASSWORD);
      assert.equal((await site.primary.call(gone, 'POST', '/v1/login', { body })).status, 200);
      const where = () => site.primary.plane.book.all().filter(session => session.device === gone.name);
      // What does not concern it leaves it alone.
      await site.put('Device', 'tc-1', {});
      await site.put('Device', gone.name, { displayName: how });
      assert.equal(where().length, 1, how);
      const [{ deviceId } = { deviceId: '' }] = where();
      await end(gone.name);
      assert.deepEqual(where(), [], how);
      assert.equal(told.at(-1), deviceId);
    }
  });
  test('is over for every server whose journal says so, and its device is told at once', async () => {
    const loginId = randomUUID();
    const token = await open('fred', {}, loginId);
    const channel = await site.primary.channel(device);
    channel.send({ type: 'hello', agentVersion: '1', users: [], statement: [1, 1] });
    await channel.next('hello');
    const [, payload = ''] = token.split('.');
    const { sub: userId } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const session = { loginId, userId };
    channel.send({ type: 'status', mode: 'online', version: { epoch: 1, generation: 1 }, session, pendingEvents: 0 });
    await channel.next('changed');
    await site.primary.deps.journal.append({
      events: [],
      heard: { from: 'secondary', failures: [], grants: [], ended: [{ loginId, atMs: site.clock.nowMs() }] },
    });
    site.primary.plane.sessionsEnded([loginId]);
    assert.equal((await channel.next('changed')).userId, userId);
    const pulled = await site.primary.call(device, 'GET', '/v1/user/bundle', { token });
    assert.equal(pulled.body.code, 'session_invalid');
    assert.equal((await refresh(token)).body.code, 'session_invalid');
    // A device that was not there then is told when it says who works on it.
    channel.send({ type: 'status', mode: 'online', version: { epoch: 1, generation: 1 }, session, pendingEvents: 0 });
    assert.equal((await channel.next('changed')).userId, userId);
    channel.socket.terminate();
  });
});

/** A UUIDv7 as devices make them. */
function idOf(unixMs: number): string {
  const hex = unixMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${randomUUID().slice(15)}`;
}

function everyDay() {
  const days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
  return [{ days, from: '00:00', to: '00:00' }];
}
