import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomUUID, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CHANNEL_CLOSE, EnrollAnswer, PROTOCOL_HEADER, parseValue } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, type TestDevice } from '../../../../test/support/device-site.ts';
import { createSiteCa, openCertificateAuthority } from '../identity/certificate-authority.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { createEnrolment } from './enrolment.ts';

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('enrolment', () => {
  let site: DeviceSite;
  before(async () => {
    site = await createDeviceSite();
    await site.put('DeviceGroup', 'ward-3', {});
  });
  after(() => site.close());
  const enroll = (body: object, server = site.primary) => server.call(undefined, 'POST', '/v1/enroll', { body });
  const codeOf = async (body: object) => (await enroll(body)).body.code;

  /** A device of ward-3, and an enrolment with a token that is for it. */
  const lostDevice = async (name: string, secret: string) => {
    const before = await site.addDevice(name, { group: 'ward-3' });
    const uid = site.primary.deps.replica.get('Device', name)?.uid;
    const token = await site.addToken(secret, { device: name });
    await site.put('EnrollmentToken', token.name, token.body, { deviceUid: uid });
    const enrolAgain = async (key: KeyObject, asked?: string) =>
      enroll({ secret, csr: await createCsr(key), ...(asked !== undefined && { name: asked }) });
    return { before, uid, enrolAgain };
  };

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
  test('takes no name with what nobody sees, and counts no use for it', async () => {
    await site.addToken('secret-unseen');
    const ask = async (name: string) => enroll({ secret: 'secret-unseen', csr: await createCsr(newKey()), name });
    const { status, body } = await ask('tc-1\u202e');
    assert.deepEqual([status, body.code], [400, 'bad_request']);
    assert.match(body.detail, /a character that nobody sees/);
    assert.equal((await ask('tc-seen')).status, 200);
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
  test('two at once for the last use: one gets it, though nothing but the site row is between them', async () => {
    await site.addToken('secret-last', { uses: 2 });
    await enroll({ secret: 'secret-last', csr: await createCsr(newKey()) });
    // Each has a queue of its own, as two processes have.
    const desks = [createEnrolment(site.primary.deps, randomUUID), createEnrolment(site.primary.deps, randomUUID)];
    const outcomes = await Promise.all(
      desks.map(async desk => desk.enroll({ secret: 'secret-last', csr: await createCsr(newKey()) })),
    );
    assert.deepEqual(outcomes.map(outcome => (outcome.ok ? 'enrolled' : outcome.problem.code)).sort(), [
      'enrolled',
      'token_invalid',
    ]);
  });
  test('two at once with one key: one device', async () => {
    await site.addToken('secret-twice', { uses: 5 });
    const csr = await createCsr(newKey());
    const desks = [createEnrolment(site.primary.deps, randomUUID), createEnrolment(site.primary.deps, randomUUID)];
    const outcomes = await Promise.all(
      desks.map((desk, n) => desk.enroll({ secret: 'secret-twice', csr, name: `tc-twin-${n}` })),
    );
    assert.deepEqual(outcomes.map(outcome => (outcome.ok ? 'enrolled' : outcome.problem.code)).sort(), [
      'enrolled',
      'name_taken',
    ]);
  });
  test('a token for one device gives it a new key: name, uid and group stay, and the key before is nobody’s', async () => {
    const { before, uid, enrolAgain } = await lostDevice('tc-lost', 'reenroll-1');
    const channel = await site.primary.channel(before);
    channel.send({ type: 'hello', agentVersion: '0', users: [], statement: [1, 1] });
    await channel.next('hello');
    const key = newKey();
    const { status, body } = await enrolAgain(key);
    assert.equal(status, 200);
    assert.deepEqual([body.name, body.deviceId], ['tc-lost', uid]);
    const stored = site.primary.deps.replica.get('Device', 'tc-lost');
    assert.deepEqual([stored?.uid, stored?.body], [uid, { group: 'ward-3' }]);
    assert.equal(stored?.system.keyHash, keyHashOf(key));
    const now = {
      ...before,
      keyHash: keyHashOf(key),
      privateKey: key,
      tls: { key: toPem(key), cert: body.certificate },
    };
    assert.equal((await site.primary.call(now, 'GET', '/v1/device/bundle')).body.device.id, uid);
    assert.equal((await site.primary.call(before, 'GET', '/v1/device/bundle')).body.code, 'device_unknown');
    assert.equal((await channel.closed).code, CHANNEL_CLOSE.unknown.code);
  });
  test('a token for one device is good once; the same key may ask again when the answer was lost', async () => {
    const { uid, enrolAgain } = await lostDevice('tc-once', 'reenroll-2');
    const key = newKey();
    const [first, second] = await Promise.all([enrolAgain(key), enrolAgain(key, 'tc-once')]);
    assert.deepEqual([first.body.deviceId, second.body.deviceId], [uid, uid]);
    assert.equal((await enrolAgain(newKey())).body.code, 'token_invalid');
    assert.equal(site.primary.deps.replica.get('Device', 'tc-once')?.system.keyHash, keyHashOf(key));
  });
  test('a token for one device is for no other name, and for no key of another device', async () => {
    const { before, enrolAgain } = await lostDevice('tc-mine-alone', 'reenroll-3');
    const other = await site.addDevice('tc-bystander');
    assert.equal((await enrolAgain(newKey(), 'tc-bystander')).body.code, 'token_invalid');
    assert.equal((await enrolAgain(other.privateKey)).body.code, 'name_taken');
    assert.equal((await enrolAgain(before.privateKey)).status, 200, 'the key that it had is as good as a new one');
  });
  test('a token for one device is void when that is revoked, or gone, though another has its name', async () => {
    const { enrolAgain } = await lostDevice('tc-stolen', 'reenroll-4');
    await site.put('Device', 'tc-stolen', { revoked: true });
    assert.match((await enrolAgain(newKey())).body.detail, /is revoked/);
    await site.remove('Device', 'tc-stolen');
    await site.addDevice('tc-stolen');
    assert.match((await enrolAgain(newKey())).body.detail, /is gone/);
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
  test('an expired certificate of another CA renews nothing, though it names this site and a known key', async () => {
    const device = await site.addDevice('tc-forged');
    const ca = await createSiteCa(site.primary.deps.identity.siteId, Date.now());
    const twoYearsAgo = { ...site.clock, nowMs: () => Date.now() - 2 * 365 * 24 * 3_600_000 };
    const forger = openCertificateAuthority(toPem(ca.key), ca.certificatePem, twoYearsAgo);
    const { pem } = await forger.issueDevice(await createCsr(device.privateKey), randomUUID());
    const forged: TestDevice = { ...device, tls: { key: toPem(device.privateKey), cert: pem } };
    const body = { csr: await createCsr(device.privateKey) };
    const refused = await site.primary.call(forged, 'POST', '/v1/renew', { body });
    assert.equal(refused.body.code, 'device_unknown');
  });
});
