import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { DEFAULT_OFFLINE_RULES, DeviceBundle, EnrollAnswer, PROTOCOL_HEADER, parseValue } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../../../../test/support/device-site.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';
import { keyHashOf } from '../identity/key-hash.ts';

const MINUTE_MS = 60_000;
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('who is a device', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    device = await site.addDevice('tc-1');
  });
  after(() => site.close());
  const bundle = (from: TestDevice | undefined, headers = {}) =>
    site.primary.call(from, 'GET', '/v1/device/bundle', { headers });

  test('whose key the site knows, with a certificate of the site', async () => {
    assert.equal((await bundle(device)).status, 200);
  });
  test('nobody without a certificate, nor a twin that signed its own: unknown, scope server', async () => {
    for (const from of [undefined, await site.selfSigned('tc-1')]) {
      const { status, body } = await bundle(from);
      assert.equal(status, 403);
      assert.equal(body.code, 'device_unknown');
      assert.equal(body.subject, undefined);
    }
  });
  test('not the key alone: the right key with a certificate that it signed itself is refused too', async () => {
    const twin = await site.selfSigned('x');
    await site.put('Device', 'tc-twin', {}, { keyHash: twin.keyHash });
    assert.equal((await bundle(twin)).body.code, 'device_unknown');
  });
  test('a valid certificate without an object strands nobody, and is told to administrators once an hour', async () => {
    const key = newKey();
    const { pem, keyHash } = await site.authority.issueDevice(await createCsr(key), randomUUID());
    const stranger: TestDevice = { name: 'x', keyHash, privateKey: key, tls: { key: toPem(key), cert: pem } };
    for (let i = 0; i < 3; i++) assert.equal((await bundle(stranger)).body.code, 'device_unknown');
    const told = site.primary.pending().filter(({ type }) => type === 'device.unknown');
    assert.deepEqual(
      told.map(({ data }) => data),
      [{ keyHash }],
    );
  });
  test('a revoked and a deleted device hear so, with what the word rests on', async () => {
    const [revoked, deleted] = [await site.addDevice('tc-revoked'), await site.addDevice('tc-deleted')];
    await site.put('Device', 'tc-revoked', { revoked: true });
    await site.remove('Device', 'tc-deleted');
    for (const from of [revoked, deleted]) {
      const { status, body } = await bundle(from);
      assert.equal(status, 403);
      assert.equal(body.code, 'device_revoked');
      const { generation } = site.primary.deps.replica.find('Device', from.name) ?? {};
      assert.deepEqual(body.subject, { epoch: 1, generation });
    }
  });
  test('one that speaks another protocol is told which are spoken', async () => {
    const { status, body } = await bundle(device, { [PROTOCOL_HEADER]: '20200101' });
    assert.equal(status, 426);
    assert.equal(body.code, 'protocol_unsupported');
    assert.ok(body.supported.length > 0);
  });
});

describe('enrolment', () => {
  let site: DeviceSite;
  before(async () => {
    site = await createDeviceSite();
    await site.put('DeviceGroup', 'ward-3', {});
  });
  after(() => site.close());
  const enroll = (body: object, server = site.primary) => server.call(undefined, 'POST', '/v1/enroll', { body });
  const codeOf = async (body: object) => (await enroll(body)).body.code;

  test('makes a device of a key and a token, in the token’s group, and counts the use', async () => {
    await site.addToken('secret-1', { group: 'ward-3' });
    const key = newKey();
    const { status, body } = await enroll({ secret: 'secret-1', csr: await createCsr(key), name: 'tc-7' });
    assert.equal(status, 200);
    assert.ok(parseValue(EnrollAnswer, body).ok);
    const stored = site.primary.deps.replica.get('Device', 'tc-7');
    assert.equal(body.deviceId, stored?.uid);
    assert.deepEqual(stored?.body, { group: 'ward-3' });
    assert.equal(stored?.system.keyHash, keyHashOf(key));
    assert.deepEqual(body.version, { epoch: 1, generation: stored?.generation });
    assert.equal(new X509Certificate(body.certificate).subject, `CN=${body.deviceId}`);
    const device: TestDevice = {
      name: 'tc-7',
      keyHash: keyHashOf(key),
      privateKey: key,
      tls: { key: toPem(key), cert: body.certificate },
    };
    const bundle = await site.primary.call(device, 'GET', '/v1/device/bundle');
    assert.deepEqual(bundle.body.device, { id: body.deviceId, name: 'tc-7', group: 'ward-3' });
    assert.equal(await codeOf({ secret: 'secret-1', csr: await createCsr(newKey()) }), 'token_invalid');
  });
  test('gives a name where none was asked for', async () => {
    await site.addToken('secret-2');
    const { body } = await enroll({ secret: 'secret-2', csr: await createCsr(newKey()) });
    assert.match(body.name, /^tc-[0-9a-f]{8}$/);
  });
  test('the same key may ask again when the answer was lost: the same device, no further use', async () => {
    await site.addToken('secret-3');
    const request = { secret: 'secret-3', csr: await createCsr(newKey()), name: 'tc-again' };
    const [first, second] = await Promise.all([enroll(request), enroll(request)]);
    assert.equal(first.body.deviceId, second.body.deviceId);
    assert.equal((await enroll({ ...request, name: undefined })).body.name, 'tc-again');
    assert.equal((await enroll({ ...request, name: 'tc-other' })).body.code, 'name_taken');
  });
  test('never takes over a device: not its name, not its key by another token', async () => {
    await site.addToken('secret-4', { uses: 5 });
    await site.addToken('secret-5', { uses: 5 });
    const csr = await createCsr(newKey());
    assert.equal((await enroll({ secret: 'secret-4', csr, name: 'tc-mine' })).status, 200);
    assert.equal(await codeOf({ secret: 'secret-4', csr: await createCsr(newKey()), name: 'tc-mine' }), 'name_taken');
    assert.equal(await codeOf({ secret: 'secret-5', csr, name: 'tc-mine' }), 'name_taken');
  });
  test('many at once use a token no more often than it may be used', async () => {
    await site.addToken('secret-6', { uses: 3 });
    const csrs = await Promise.all(Array.from({ length: 6 }, () => createCsr(newKey())));
    const answers = await Promise.all(csrs.map(csr => enroll({ secret: 'secret-6', csr })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 3);
  });
  test('refuses a token that is unknown, expired, for a server, or whose group is gone', async () => {
    const csr = await createCsr(newKey());
    await site.addToken('expired', { expiresAt: '2020-01-01T00:00:00Z' });
    await site.addToken('server', { purpose: 'server' });
    await site.addToken('no-group', { group: 'ward-9' });
    for (const secret of ['unknown', 'expired', 'server', 'no-group'])
      assert.equal(await codeOf({ secret, csr }), 'token_invalid');
  });
  test('refuses what is no certificate request, and a name that nothing can have', async () => {
    await site.addToken('secret-7');
    assert.equal(await codeOf({ secret: 'secret-7', csr: 'x' }), 'bad_request');
    assert.equal(await codeOf({ secret: 'secret-7', csr: await createCsr(newKey()), name: '-rf' }), 'bad_request');
  });
  test('is the Primary’s: a Secondary says where that is', async () => {
    const secondary = await site.startSecondary();
    const { status, body } = await enroll({ secret: 'secret-7', csr: await createCsr(newKey()) }, secondary);
    assert.equal(status, 403);
    assert.equal(body.code, 'not_primary');
    assert.equal(body.primaryUrl, 'https://primary.example:8443');
  });
  test('the CA is told to anybody, without certificate or protocol header', async () => {
    const { body } = await site.primary.call(undefined, 'GET', '/v1/ca', { headers: { [PROTOCOL_HEADER]: '' } });
    assert.deepEqual(body, { certificates: [site.ca.certificatePem] });
  });
  test('a certificate is renewed for the same key alone', async () => {
    const device = await site.addDevice('tc-renew');
    const renew = async (key = device.privateKey) =>
      site.primary.call(device, 'POST', '/v1/renew', { body: { csr: await createCsr(key) } });
    const { status, body } = await renew();
    assert.equal(status, 200);
    assert.equal(keyHashOf(new X509Certificate(body.certificate).publicKey), device.keyHash);
    const serial = site.primary.deps.replica.get('Device', 'tc-renew')?.system.certificateSerial;
    assert.equal(String(serial).toUpperCase(), new X509Certificate(body.certificate).serialNumber);
    assert.equal((await renew(newKey())).body.code, 'bad_request');
    await site.put('Device', 'tc-renew', { revoked: true });
    assert.equal((await renew()).body.code, 'device_revoked');
  });
  test('an expired certificate may renew, and nothing else', async () => {
    const device = await site.addDevice('tc-expired');
    // Issued two years ago by the site's clock; the machine's clock, which TLS asks, is right.
    site.clock.forward(-2 * 365 * 24 * 3_600_000);
    const { pem } = await site.authority.issueDevice(await createCsr(device.privateKey), randomUUID());
    site.clock.forward(2 * 365 * 24 * 3_600_000);
    const expired: TestDevice = { ...device, tls: { key: toPem(device.privateKey), cert: pem } };
    const refused = await site.primary.call(expired, 'GET', '/v1/device/bundle');
    assert.equal(refused.body.code, 'device_unknown');
    const body = { csr: await createCsr(device.privateKey) };
    assert.equal((await site.primary.call(expired, 'POST', '/v1/renew', { body })).status, 200);
  });
});

describe('bundles', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    await site.put('DeviceGroup', 'ward-3', {});
    await site.put('UserGroup', 'nurses', {});
    device = await site.addDevice('tc-1', { group: 'ward-3' });
    await site.addUser('alice', { groups: ['nurses'] });
    await site.put('Policy', 'quiet', {
      settings: { power: { screenOffAfterMinutes: 10 }, keyboard: { layout: 'it' } },
    });
    await site.put('Assignment', 'quiet', { policy: 'quiet', to: { deviceGroup: 'ward-3' } });
    await site.put('Profile', 'nurses', { connections: [{ name: 'ward', type: 'rdp', host: 'rds.example.org' }] });
    await site.put('Assignment', 'nurses', { profile: 'nurses', to: { userGroup: 'nurses' } });
  });
  after(() => site.close());
  const deviceBundle = (etag?: string) =>
    site.primary.call(device, 'GET', '/v1/device/bundle', {
      headers: etag === undefined ? {} : { 'if-none-match': etag },
    });
  const loggedIn = async () => {
    const body = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
    return (await site.primary.call(device, 'POST', '/v1/login', { body })).body;
  };

  test('of a device: its settings, connections and timings', async () => {
    const { body } = await deviceBundle();
    assert.ok(parseValue(DeviceBundle, body).ok);
    assert.deepEqual(body.settings, { 'keyboard.layout': 'it', 'power.screenOffAfterMinutes': 10 });
    assert.deepEqual(body.profile, { connections: [] });
  });
  test('of a user: settings that are not the device’s alone, the profile, the rules for offline', async () => {
    const { bundle } = await loggedIn();
    assert.deepEqual(bundle.settings, { 'keyboard.layout': 'it' });
    assert.deepEqual(bundle.profile.connections, [{ name: 'ward', type: 'rdp', host: 'rds.example.org' }]);
    assert.deepEqual(bundle.offline, DEFAULT_OFFLINE_RULES);
  });
  test('304 with the version up to which it holds, also after a commit that changes nothing for it', async () => {
    const first = await deviceBundle();
    assert.equal(first.headers.etag, `"${first.body.etag}"`);
    await site.addUser('somebody-else');
    const second = await deviceBundle(`"other", W/"${first.body.etag}"`);
    assert.equal(second.status, 304);
    assert.equal(second.body, undefined);
    const { version } = site.primary.deps.replica.site() ?? {};
    assert.equal(second.headers['thinman-version'], `${version?.epoch}.${version?.generation}`);
    assert.ok((version?.generation ?? 0) > first.body.version.generation);
  });
  test('a changed policy, timing or group makes another one', async () => {
    const before = (await deviceBundle()).body;
    await site.put('SiteSettings', 'site', { agent: { hedgeDelayMs: 50 } });
    const after = await deviceBundle(`"${before.etag}"`);
    assert.equal(after.status, 200);
    assert.equal(after.body.timings.hedgeDelayMs, 50);
    await site.put('Device', 'tc-1', {});
    assert.deepEqual((await deviceBundle()).body.settings, {});
    await site.put('Device', 'tc-1', { group: 'ward-3' });
  });
  test('offline login is forbidden by the site, by the user, or by a group around the user’s', async () => {
    const offline = async () => (await loggedIn()).bundle.offline;
    await site.put('SiteSettings', 'site', { offline: { maxAgeDays: 1.5 } });
    assert.deepEqual(await offline(), { ...DEFAULT_OFFLINE_RULES, maxAgeMs: 36 * 60 * MINUTE_MS });
    await site.put('UserGroup', 'staff', {});
    await site.put('UserGroup', 'nurses', { parent: 'staff' });
    for (const settings of [{ allowed: false }, { excludedGroups: ['staff'] }]) {
      await site.put('SiteSettings', 'site', { offline: settings });
      assert.equal((await offline()).allowed, false);
    }
    await site.put('SiteSettings', 'site', {});
    assert.equal((await offline()).allowed, true);
    await site.put('User', 'alice', { groups: ['nurses'], offlineLogin: false });
    assert.equal((await offline()).allowed, false);
  });
});

describe('a session', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    device = await site.addDevice('tc-1');
  });
  after(() => site.close());
  const open = async (user: string, more = {}) => {
    await site.addUser(user, more);
    const body = await site.loginRequest(site.primary, device, user, PASSWORD);
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
});

describe('events of a device', () => {
  test('are answered when they are on disk, once each, under the device that sent them', async () => {
    const site = await createDeviceSite();
    const [device, other] = [await site.addDevice('tc-1'), await site.addDevice('tc-2')];
    const event = { id: randomUUID(), type: 'login', at: 1, user: 'alice', data: { verdict: 'granted' } };
    const send = (from: TestDevice, events: object[]) =>
      site.primary.call(from, 'POST', '/v1/events', { body: { events } });
    for (let i = 0; i < 2; i++) assert.deepEqual((await send(device, [event])).body, { stored: [event.id] });
    // Another device cannot take the id away, nor say that it is the first one.
    await send(other, [event]);
    assert.equal((await send(other, [{ ...event, origin: 'device:tc-1' }])).body.code, 'bad_request');
    const stored = site.primary.pending().filter(({ id }) => id === event.id);
    assert.deepEqual(stored.map(({ origin }) => origin).toSorted(), ['device:tc-1', 'device:tc-2']);
    assert.equal(stored[0]?.takenBy, 'primary');
    const huge = { ...event, id: randomUUID(), data: { text: 'x'.repeat(20_000) } };
    assert.equal((await send(device, [huge])).body.problems[0].field, 'events.0');
    await site.close();
  });
});
