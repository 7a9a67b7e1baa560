import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CHANNEL_CLOSE, type DeviceSystem, type Problem } from '@thinman/protocol';
import {
  createDeviceSite,
  type DeviceSite,
  type TestDevice,
  type TestServer,
} from '../../../../test/support/device-site.ts';
import type { Outcome } from '../http/outcome.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';
import { approveDevice } from './approve-device.ts';
import { remove } from './remove.ts';
import { replaceDevice } from './replace-device.ts';
import { unknownDevices } from './unknown-devices.ts';

const OWNER = { name: 'admin', role: 'owner' } as const;
const HOUR_MS = 60 * 60_000;

describe('devices by their keys', () => {
  let site: DeviceSite;
  before(async () => {
    site = await createDeviceSite();
    await site.put('DeviceGroup', 'ward-3', {});
  });
  after(() => site.close());

  const write = () => site.primary.deps.write;
  const stored = (name: string) => site.primary.deps.replica.get('Device', name);
  const systemOf = (name: string) => stored(name)?.system as DeviceSystem | undefined;
  const bundle = (device: TestDevice, server = site.primary) => server.call(device, 'GET', '/v1/device/bundle');
  const codeOf = async (device: TestDevice, server?: TestServer) => (await bundle(device, server)).body.code;
  const approve = (keyHash: string, name: string, group?: string) =>
    approveDevice(write(), OWNER, { keyHash, name, ...(group !== undefined && { group }) });
  const replace = (device: string, successor: string) => replaceDevice(write(), OWNER, { device, with: successor });
  const enroll = async (secret: string, name: string) => {
    await site.addToken(secret);
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const request = { secret, csr: await createCsr(key), name };
    const { status, body } = await site.primary.call(undefined, 'POST', '/v1/enroll', { body: request });
    assert.equal(status, 200);
    return {
      name,
      keyHash: systemOf(name)?.keyHash ?? '',
      privateKey: key,
      tls: { key: toPem(key), cert: body.certificate },
    };
  };

  /** A key with a certificate of the site, and no Device: as after a restored database. */
  const stranger = async (): Promise<TestDevice> => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { pem, keyHash } = await site.authority.issueDevice(await createCsr(key), randomUUID());
    return { name: 'x', keyHash, privateKey: key, tls: { key: toPem(key), cert: pem } };
  };
  /** Events go by the journals into the source of record. */
  const drain = async (...servers: readonly TestServer[]) => {
    for (const server of servers) await write().record.storeEvents(server.pending());
  };
  const listed = async () => {
    const answer = await unknownDevices(write());
    assert.ok(answer.ok);
    return answer.value;
  };
  const refusalOf = <T>(outcome: Outcome<T>): Problem =>
    outcome.ok ? assert.fail('it was not refused') : outcome.problem;

  test('who has a certificate and no object is listed, by whichever server saw it', async () => {
    const secondary = await site.startSecondary();
    const [first, second] = [await stranger(), await stranger()];
    assert.equal(await codeOf(first), 'device_unknown');
    site.clock.forward(HOUR_MS);
    for (const server of [site.primary, secondary]) assert.equal(await codeOf(first, server), 'device_unknown');
    assert.equal(await codeOf(second, secondary), 'device_unknown');
    assert.equal(await codeOf(await site.selfSigned('x')), 'device_unknown');
    await drain(site.primary, secondary);

    const { items, more } = await listed();
    assert.deepEqual(
      [more, items.map(({ keyHash }) => keyHash).sort()],
      [false, [first.keyHash, second.keyHash].sort()],
    );
    const seen = items.find(({ keyHash }) => keyHash === first.keyHash) ?? assert.fail();
    assert.deepEqual(seen.servers, ['primary', 'secondary']);
    assert.ok(seen.lastSeenAt - seen.firstSeenAt >= HOUR_MS);
    assert.match(seen.certificate.name, /^[0-9a-f-]{36}$/);
    assert.ok(seen.certificate.expiresAt > site.clock.nowMs());
  });

  test('an approved device works at once, without a new enrolment, and is listed no more', async () => {
    const device = await stranger();
    await bundle(device);
    await drain(site.primary);
    const outcome = await approve(device.keyHash, 'tc-approved', 'ward-3');
    assert.ok(outcome.ok);
    const { status, body } = await bundle(device);
    assert.deepEqual([status, body.device.name, body.device.group], [200, 'tc-approved', 'ward-3']);
    assert.deepEqual(outcome.value, { epoch: 1, generation: stored('tc-approved')?.generation, name: 'tc-approved' });
    assert.ok((await listed()).items.every(({ keyHash }) => keyHash !== device.keyHash));
    assert.ok(site.primary.pending().some(({ type, data }) => type === 'device.approved' && data.actor === 'admin'));

    // What the server keeps of it is that of an enrolled device: it can renew.
    const renewed = await site.primary.call(device, 'POST', '/v1/renew', {
      body: { csr: await createCsr(device.privateKey) },
    });
    assert.equal(renewed.status, 200);
  });

  test('of an approved device the same is kept as of an enrolled one', async () => {
    const device = await stranger();
    await bundle(device);
    await drain(site.primary);
    await approve(device.keyHash, 'tc-kept');
    const { serialNumber, validToDate } = new X509Certificate(device.tls?.cert ?? '');
    const { enrolledAt, ...held } = systemOf('tc-kept') ?? assert.fail();
    assert.deepEqual(held, {
      keyHash: device.keyHash,
      certificateSerial: serialNumber.toLowerCase(),
      certificateExpiresAt: validToDate.getTime(),
      enrolledBy: 'approved:admin',
    });
    assert.ok(Math.abs(enrolledAt - site.clock.nowMs()) < HOUR_MS);
  });

  test('a key is approved once, under a free name, into a group that exists', async () => {
    const device = await stranger();
    await bundle(device);
    await drain(site.primary);
    await site.addDevice('tc-there');
    assert.equal(refusalOf(await approve(device.keyHash, 'tc-there')).code, 'name_taken');
    assert.equal(refusalOf(await approve(device.keyHash, 'tc new')).code, 'bad_request');
    assert.equal(refusalOf(await approve(device.keyHash, 'tc-new', 'ward-9')).code, 'invalid_object');
    const both = await Promise.all([approve(device.keyHash, 'tc-one'), approve(device.keyHash, 'tc-two')]);
    assert.deepEqual(both.map(({ ok }) => ok).sort(), [false, true]);
    const late = refusalOf(await approve(device.keyHash, 'tc-three'));
    assert.deepEqual(
      [late.code, /belongs to the device tc-(one|two) already/.test(late.detail ?? '')],
      ['name_taken', true],
    );
  });

  test('a key that was revoked, or that nobody has seen, is not approved', async () => {
    const [revoked, deleted] = [await site.addDevice('tc-revoked'), await site.addDevice('tc-deleted')];
    await site.put('Device', 'tc-revoked', { revoked: true });
    await remove(write(), OWNER, { kind: 'Device', name: 'tc-deleted' });
    for (const { keyHash } of [revoked, deleted]) {
      const { code, detail } = refusalOf(await approve(keyHash, 'tc-back'));
      assert.equal(code, 'conflict');
      assert.match(detail ?? '', /was revoked/);
    }
    assert.equal(refusalOf(await approve('A'.repeat(43), 'tc-back')).code, 'not_found');
  });

  test('strangers of a week ago are listed no more', async () => {
    const device = await stranger();
    await bundle(device);
    await drain(site.primary);
    const has = async () => (await listed()).items.some(({ keyHash }) => keyHash === device.keyHash);
    assert.equal(await has(), true);
    site.clock.forward(7 * 24 * HOUR_MS + 1);
    assert.equal(await has(), false);
  });

  test('a deleted device stays revoked when another one gets its name', async () => {
    const old = await enroll('secret-old', 'tc-name');
    assert.equal((await remove(write(), OWNER, { kind: 'Device', name: 'tc-name' })).ok, true);
    assert.equal(await codeOf(old), 'device_revoked');
    const successor = await enroll('secret-new', 'tc-name');
    assert.equal((await bundle(successor)).status, 200);
    const { body } = await bundle(old);
    assert.equal(body.code, 'device_revoked');
    assert.ok(body.subject.generation < (stored('tc-name')?.generation ?? 0));
  });

  test('and until its certificate has expired, however old its tombstone is', async () => {
    const device = await enroll('secret-long', 'tc-long');
    await remove(write(), OWNER, { kind: 'Device', name: 'tc-long' });
    const { record, identity } = write();
    const isKnownAfter = async (days: number) => {
      await record.compact({ instance: identity.instance, epoch: 1 }, site.clock.nowMs() + days * 24 * HOUR_MS);
      const feed = await record.feed(undefined);
      return 'objects' in feed && feed.objects.some(({ system }) => system.keyHash === device.keyHash);
    };
    assert.equal(await isKnownAfter(200), true);
    await site.primary.sync();
    assert.equal(await codeOf(device), 'device_revoked');
    // By then TLS itself refuses the certificate.
    assert.equal(await isKnownAfter(365 + 91), false);
  });

  test('a machine takes the place of another one: its key goes there, all that is written about the device stays', async () => {
    const [old, machine] = [await enroll('secret-1', 'tc-7'), await enroll('secret-2', 'tc-spare')];
    await site.put('Device', 'tc-7', { group: 'ward-3', attributes: { room: '12' } });
    await site.put('Policy', 'p', { settings: {} });
    await site.put('Assignment', 'a', { policy: 'p', to: { device: 'tc-7' } });
    const uid = stored('tc-7')?.uid;
    const channels = await Promise.all([old, machine].map(device => site.primary.channel(device)));
    for (const channel of channels) {
      channel.send({ type: 'hello', agentVersion: '0', users: [], statement: [1, 1] });
      await channel.next('hello');
    }

    const outcome = await replace('tc-7', 'tc-spare');
    assert.ok(outcome.ok);
    assert.deepEqual(
      [stored('tc-7')?.uid, stored('tc-7')?.body],
      [uid, { group: 'ward-3', attributes: { room: '12' } }],
    );
    assert.equal(stored('tc-spare'), undefined);
    // The machine is not told that it was revoked, which would have it erase what it holds: it asks again, as another.
    for (const channel of channels) {
      assert.equal((await channel.closed).code, CHANNEL_CLOSE.unknown.code);
      assert.ok(channel.frames.every(({ type }) => type !== 'revoked'));
    }
    const { body } = await bundle(machine);
    assert.deepEqual(body.device, { id: uid, name: 'tc-7', group: 'ward-3' });
    const refused = await bundle(old);
    assert.deepEqual(
      [refused.body.code, refused.body.subject.generation],
      ['device_revoked', outcome.value.generation],
    );
    const renewed = await site.primary.call(machine, 'POST', '/v1/renew', {
      body: { csr: await createCsr(machine.privateKey) },
    });
    assert.equal(renewed.status, 200);
    // The spare's name is free, and gives nobody the machine's key back.
    const next = await enroll('secret-3', 'tc-spare');
    assert.deepEqual([(await bundle(next)).status, (await bundle(machine)).status], [200, 200]);
  });

  test('the place of a stolen, revoked machine can be taken; a revoked one takes none', async () => {
    const [stolen, machine] = [await enroll('secret-4', 'tc-8'), await enroll('secret-5', 'tc-other')];
    await site.put('Device', 'tc-8', { revoked: true, group: 'ward-3' });
    assert.equal(refusalOf(await replace('tc-other', 'tc-8')).code, 'conflict');
    assert.ok((await replace('tc-8', 'tc-other')).ok);
    assert.deepEqual(stored('tc-8')?.body, { group: 'ward-3' });
    assert.deepEqual([await codeOf(stolen), (await bundle(machine)).status], ['device_revoked', 200]);
  });

  test('a replacement needs two devices, and nothing that names the one that goes', async () => {
    const machine = await enroll('secret-6', 'tc-named');
    await enroll('secret-7', 'tc-9');
    assert.equal(refusalOf(await replace('tc-9', 'tc-nowhere')).code, 'not_found');
    assert.equal(refusalOf(await replace('tc-nowhere', 'tc-9')).code, 'not_found');
    assert.equal(refusalOf(await replace('tc-9', 'tc-9')).code, 'bad_request');
    await site.put('Assignment', 'b', { policy: 'p', to: { device: 'tc-named' } });
    const { code, problems } = refusalOf(await replace('tc-9', 'tc-named'));
    assert.equal(code, 'invalid_object');
    assert.match(problems?.[0]?.message ?? '', /is still in use: Assignment "b" names it/);
    assert.equal((await bundle(machine)).body.device.name, 'tc-named');
  });
});
