import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { PROTOCOL_HEADER } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, type TestDevice } from '../../../../test/support/device-site.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';

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
    const { serialNumber, subject, validToDate } = new X509Certificate(pem);
    const certificate = {
      name: subject.replace('CN=', ''),
      serial: serialNumber.toLowerCase(),
      expiresAt: validToDate.getTime(),
    };
    assert.deepEqual(
      told.map(({ data }) => data),
      [{ keyHash, certificate }],
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
