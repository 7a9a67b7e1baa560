import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CHANNEL_CLOSE, parseValue, ServerFrame } from '@thinman/protocol';
import {
  createDeviceSite,
  type DeviceSite,
  PASSWORD,
  type TestChannel,
  type TestDevice,
} from '../../../../../test/support/device-site.ts';
import { waitFor } from '../../../../../test/support/wait.ts';

const deviceHello = (users: readonly string[] = []) => ({
  type: 'hello',
  agentVersion: '0.1.0',
  users,
  statement: [1, 1],
});

describe('a channel', () => {
  let site: DeviceSite;
  let device: TestDevice;
  let channel: TestChannel;
  const greet = async (users: readonly string[] = []) => {
    channel.send(deviceHello(users));
    return channel.next('hello');
  };
  before(async () => {
    site = await createDeviceSite();
    await site.put('DeviceGroup', 'ward-3', {});
    device = await site.addDevice('tc-1', { group: 'ward-3' });
    channel = await site.primary.channel(device);
  });
  after(() => site.close());

  test('answers the device’s hello with state, statement, time, and a word about each user', async () => {
    const alice = await site.addUser('alice');
    const stranger = '00000000-0000-4000-8000-000000000000';
    const hello = await greet([alice.uid, stranger]);
    assert.ok(parseValue(ServerFrame, hello).ok);
    assert.equal(hello.state, 'serving');
    const { version } = site.primary.deps.replica.site() ?? {};
    assert.deepEqual(hello.users, [
      {
        userId: alice.uid,
        state: 'ok',
        credentialVersion: 1,
        offlineAllowed: true,
        subject: { epoch: 1, generation: alice.generation },
      },
      { userId: stranger, state: 'deleted', credentialVersion: 0, offlineAllowed: false, subject: version },
    ]);
  });

  test('tells of users cached there: disabled, password changed, offline withdrawn, deleted, made anew', async () => {
    const bob = await site.addUser('bob');
    await greet([bob.uid]);
    const word = async (change: Promise<unknown>) => {
      await change;
      return (await channel.next('hello')).users.map(({ userId, subject: _, ...rest }) => ({
        ...rest,
        mine: userId === bob.uid,
      }));
    };
    const ok = { state: 'ok', credentialVersion: 1, offlineAllowed: true, mine: true };
    assert.deepEqual(await word(site.put('User', 'bob', { disabled: true })), [
      { ...ok, state: 'disabled', offlineAllowed: false },
    ]);
    assert.deepEqual(await word(site.put('User', 'bob', {})), [ok]);
    assert.deepEqual(await word(site.addUser('bob', {}, 'new-password')), [{ ...ok, credentialVersion: 2 }]);
    assert.deepEqual(await word(site.put('User', 'bob', { locked: true })), [
      { ...ok, credentialVersion: 2, offlineAllowed: false },
    ]);
    assert.deepEqual(await word(site.put('User', 'bob', {})), [{ ...ok, credentialVersion: 2 }]);
    const withdrawn = [{ ...ok, credentialVersion: 2, offlineAllowed: false }];
    assert.deepEqual(await word(site.put('SiteSettings', 'site', { offline: { allowed: false } })), withdrawn);
    await word(site.put('SiteSettings', 'site', {}));
    const gone = { state: 'deleted', credentialVersion: 0, offlineAllowed: false, mine: true };
    assert.deepEqual(await word(site.remove('User', 'bob')), [gone]);
    assert.deepEqual(await word(site.addUser('bob')), [gone]);
  });

  test('takes events, and says which are on its disk; a server’s own are refused', async () => {
    const hello = await greet();
    assert.equal(hello.takesEvents, true);
    const [frame, event, other] = ['1', '2', '3'].map(n => `00000000-0000-7000-8000-00000000000${n}`);
    const of = (type: string, id = event) => ({ id, type, at: 1, data: {} });
    channel.send({ type: 'events', id: frame, events: [of('login'), of('agent.started', other)] });
    assert.deepEqual(await channel.next('stored'), { type: 'stored', id: frame, stored: [event, other] });
    const kept = site.primary.pending().find(({ id }) => id === event);
    assert.deepEqual([kept?.origin, kept?.takenBy], ['device:tc-1', 'primary']);
    channel.send({ type: 'events', id: frame, events: [of('login.answered')] });
    const { id, problem } = await channel.next('refused');
    assert.deepEqual([id, problem.code], [frame, 'bad_request']);
  });

  test('tells a device that its bundle has changed, once, and only if it has', async () => {
    await greet();
    await site.primary.call(device, 'GET', '/v1/device/bundle');
    const seen = channel.frames.length;
    await site.put('Policy', 'p', { settings: { display: { scale: 2 } } });
    await site.put('DeviceGroup', 'ward-4', {});
    await site.put('Assignment', 'other', { policy: 'p', to: { deviceGroup: 'ward-4' } });
    await site.put('Assignment', 'here', { policy: 'p', to: { deviceGroup: 'ward-3' } });
    const changed = await channel.next('changed');
    assert.equal(changed.userId, undefined);
    await site.put('Policy', 'p', { description: 'says the same', settings: { display: { scale: 2 } } });
    site.primary.become('degraded');
    await channel.next('hello');
    site.primary.become('serving');
    await channel.next('hello');
    assert.deepEqual(
      channel.frames.slice(seen).map(({ type }) => type),
      ['changed', 'hello', 'hello'],
    );
  });

  test('tells a kiosk that something was said of the account that it signs in, and nobody else', async () => {
    await site.addUser('lobby');
    await site.put('DeviceGroup', 'lobbies', {});
    const kiosk = await site.addDevice('kiosk-1', { group: 'lobbies' });
    await site.put('Policy', 'lobby', { settings: { session: { autologin: { user: 'lobby', password: 'x' } } } });
    await site.put('Assignment', 'lobby', { policy: 'lobby', to: { deviceGroup: 'lobbies' } });
    const other = await site.primary.channel(kiosk);
    other.send(deviceHello());
    await Promise.all([other.next('hello'), greet()]);
    const seen = channel.frames.length;
    await site.put('User', 'lobby', { disabled: true });
    assert.equal((await other.next('changed')).userId, undefined);
    await site.put('User', 'somebody-else', {});
    site.primary.become('degraded');
    await Promise.all([other.next('hello'), channel.next('hello')]);
    site.primary.become('serving');
    await channel.next('hello');
    assert.equal(other.frames.filter(({ type }) => type === 'changed').length, 1);
    assert.deepEqual(new Set(channel.frames.slice(seen).map(({ type }) => type)), new Set(['hello']));
  });

  test('tells the session of a directory’s user by the name that its device says, at once and on coming back', async () => {
    const userId = '0b6a1f5e-6c3f-5f3e-9a44-6f1d2c3b4a59';
    const loginId = '00000000-0000-7000-8000-000000000009';
    const session = { loginId, userId, user: 'dora@lab.test' };
    const status = (now: object | null) =>
      channel.send({
        type: 'status',
        mode: 'online',
        version: { epoch: 1, generation: 1 },
        session: now,
        pendingEvents: 0,
      });
    await greet();
    status(session);
    await greet();
    await site.put('User', 'dora@lab.test', { disabled: true });
    assert.equal((await channel.next('changed')).userId, userId);
    status(null);
    status(session);
    assert.equal((await channel.next('changed')).userId, userId);
    await site.put('User', 'dora@lab.test', { sessionsNotBefore: '2027-01-31T12:00:00.000Z' });
    assert.equal((await channel.next('changed')).userId, userId);
    status(null);
    status(session);
    assert.equal((await channel.next('changed')).userId, userId);
    status(null);
  });

  test('sends its bundle to a device that says what it holds: in the hello, and when it changes', async () => {
    const saying = async (bundle: string) => {
      channel.send({ type: 'hello', agentVersion: '1', users: [], statement: [1, 1], bundle });
      return (await channel.next('hello')).bundle;
    };
    const given = await saying('');
    assert.ok(given !== undefined && 'device' in given);
    assert.equal(given.device.name, device.name);
    const { etag, version } = given;
    assert.deepEqual(await saying(etag), { unchanged: true, etag, version });
    assert.deepEqual(await saying('another'), given);
    await site.put('Policy', 'p', { settings: { display: { scale: 3 } } });
    await site.put('Assignment', 'here', { policy: 'p', to: { deviceGroup: 'ward-3' } });
    const changed = await channel.next('changed');
    assert.equal(changed.bundle?.settings['display.scale'], 3);
    assert.deepEqual(changed.bundle?.version, changed.version);
  });

  test('tells of a user’s bundle where that user is signed in, not where it is only cached', async () => {
    const carol = await site.addUser('carol', { groups: ['nurses'] });
    const body = await site.loginRequest(site.primary, device, 'carol', PASSWORD);
    const { loginId } = (await site.primary.call(device, 'POST', '/v1/login', { body })).body;
    await greet([carol.uid]);
    const status = (session: object | null) => ({
      type: 'status',
      mode: 'online',
      version: { epoch: 1, generation: 1 },
      session,
      pendingEvents: 0,
    });
    channel.send(status({ loginId, userId: carol.uid }));
    await waitFor('the session', () => site.primary.plane.connectedDevices()[0]?.sessionUser);
    await site.put('Profile', 'n', { connections: [{ name: 'wiki', type: 'web', url: 'https://wiki.example.org' }] });
    await site.put('Assignment', 'n', { profile: 'n', to: { userGroup: 'nurses' } });
    assert.equal((await channel.next('changed')).userId, carol.uid);
    channel.send(status(null));
    await waitFor('no session', () => site.primary.plane.connectedDevices()[0]?.sessionUser === undefined || undefined);
    const seen = channel.frames.length;
    await site.remove('Assignment', 'n');
    site.primary.plane.announce();
    await channel.next('hello');
    assert.deepEqual(
      channel.frames.slice(seen).map(({ type }) => type),
      ['hello'],
    );
  });

  test('tells of users who are only cached there that a policy has taken offline login from them', async () => {
    await site.put('UserGroup', 'guests', {});
    const guest = await site.addUser('guest', { groups: ['guests'] });
    channel.send(deviceHello([guest.uid]));
    const told = (allowed: boolean, from: number) =>
      waitFor('the word', () => {
        const words = channel.frames.slice(from).flatMap(frame => (frame.type === 'hello' ? frame.users : []));
        return words.find(({ userId, offlineAllowed }) => userId === guest.uid && offlineAllowed === allowed);
      });
    await told(true, 0);
    await site.put('Policy', 'online', { settings: { 'agent.offline.allowed': false } });
    await site.put('Assignment', 'online', { policy: 'online', to: { userGroup: 'guests' } });
    await told(false, 0);
    const before = channel.frames.length;
    await site.remove('Assignment', 'online');
    await told(true, before);
  });

  test('sends goaway at a planned stop', async () => {
    site.primary.plane.goaway();
    await channel.next('goaway');
  });

  test('a newer channel of the same device replaces the older one', async () => {
    const other = await site.addDevice('tc-two');
    const [first, second] = [await site.primary.channel(other), await site.primary.channel(other)];
    assert.equal((await first.closed).code, 4000);
    second.send(deviceHello());
    await second.next('hello');
    assert.equal(site.primary.plane.connectedDevices().filter(({ device: name }) => name === 'tc-two').length, 1);
    second.socket.close();
    await second.closed;
    await waitFor(
      'its leaving',
      () => site.primary.plane.connectedDevices().every(({ device: name }) => name !== 'tc-two') || undefined,
    );
  });

  test('an agent that is there when another takes its place is told of as a clone, once an hour', async () => {
    const other = await site.addDevice('tc-cloned');
    const clones = () =>
      site.primary.pending().filter(({ type, data }) => type === 'device.cloned' && data.device === 'tc-cloned');
    const open = [await site.primary.channel(other)];
    for (let newer = 0; newer < 3; newer++) open.push(await site.primary.channel(other));
    await open[2]?.closed;
    const [told] = await waitFor('the clone to be told of', () => (clones().length > 0 ? clones() : undefined));
    assert.equal(told?.data.keyHash, other.keyHash);
    assert.equal(clones().length, 1);
    open[3]?.socket.close();
    await open[3]?.closed;
  });

  test('an agent that comes back is no clone: it left its old channel, in order or not', async () => {
    const other = await site.addDevice('tc-back');
    const clones = () => site.primary.pending().filter(({ data }) => data.device === 'tc-back');
    const connected = () => site.primary.plane.connectedDevices().some(({ device: name }) => name === 'tc-back');
    let old = await site.primary.channel(other);
    for (const leave of [() => old.socket.close(), () => old.socket.terminate(), () => old.socket.pause()]) {
      leave();
      const next = await site.primary.channel(other);
      // It says hello, so the server has dealt with everything before.
      next.send(deviceHello());
      await next.next('hello');
      old.socket.terminate();
      old = next;
    }
    old.socket.close(CHANNEL_CLOSE.replaced.code);
    await waitFor('its leaving', () => !connected() || undefined);
    assert.deepEqual(clones(), []);
  });

  test('a revoked device hears so with what it rests on, and is closed', async () => {
    for (const revoke of [
      () => site.put('Device', 'tc-out', { revoked: true }),
      () => site.remove('Device', 'tc-out'),
    ]) {
      const other = await site.addDevice('tc-out');
      const open = await site.primary.channel(other);
      open.send(deviceHello());
      await open.next('hello');
      await revoke();
      const { subject } = await open.next('revoked');
      assert.equal(subject.generation, site.primary.deps.replica.find('Device', 'tc-out')?.generation);
      assert.equal((await open.closed).code, 4001);
    }
  });

  test('what is no frame closes it', async () => {
    for (const frame of ['{', '{"type":"hello"}', Buffer.from([1, 2, 3])]) {
      const other = await site.addDevice('tc-bad');
      const open = await site.primary.channel(other);
      open.socket.send(frame);
      assert.equal((await open.closed).code, 1007);
    }
    const other = await site.addDevice('tc-huge');
    const open = await site.primary.channel(other);
    open.socket.send('x'.repeat(300_000));
    assert.equal((await open.closed).code, 1009);
  });

  test('who is no device is answered by a problem document', async () => {
    const twin = await site.selfSigned('tc-1');
    const refusal = await site.primary.channel(twin).then(
      () => undefined,
      error => error.refusal,
    );
    assert.equal(refusal.code, 'device_unknown');
    site.primary.become('draining');
    const draining = await site.primary.channel(device).then(
      () => undefined,
      error => error.refusal,
    );
    assert.equal(draining.code, 'draining');
    site.primary.become('serving');
  });

  test('a device that is silent for three intervals is dropped; one that pings is not', async () => {
    const quiet = await createDeviceSite();
    await quiet.put('SiteSettings', 'site', { agent: { pingIntervalMs: 50 } });
    const server = await quiet.startSecondary();
    const [silent, lively] = [await quiet.addDevice('tc-silent'), await quiet.addDevice('tc-lively')];
    await server.sync();
    const [one, two] = [await server.channel(silent), await server.channel(lively)];
    const pings = setInterval(() => two.socket.ping(), 20);
    assert.equal((await one.closed).code, 1006);
    assert.equal(two.socket.readyState, two.socket.OPEN);
    clearInterval(pings);
    await quiet.close();
  });
});
