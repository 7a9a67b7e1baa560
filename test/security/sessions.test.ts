import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SESSION_LIFETIME_MS } from '@thinman/protocol';
import { ADMIN_PREFIX } from '../../packages/server/src/admin-plane/admin-plane.ts';
import { ADMIN_ROUTES } from '../fuzz/requests.ts';
import { createAdminSite } from '../support/admin-site.ts';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../support/device-site.ts';

const CLOCK_SKEW_MS = 60_000;

let site: DeviceSite;
let device: TestDevice;
let token: string;
before(async () => {
  site = await createDeviceSite();
  await site.addUser('alice');
});
after(() => site.close());
beforeEach(async () => {
  device = await site.addDevice(`tc-${randomUUID()}`);
  const body = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
  token = (await site.primary.call(device, 'POST', '/v1/login', { body })).body.session.token;
});

/** What a session is good for. Each call answers 200 with it, and this code without. */
const CALLS = [
  ['GET', '/v1/user/bundle'],
  ['POST', '/v1/session'],
] as const;

async function codes(from: TestDevice, as: string): Promise<unknown[]> {
  const answers = await Promise.all(
    CALLS.map(([method, path]) => site.primary.call(from, method, path, { token: as })),
  );
  return answers.map(({ status, body }) => (status === 200 ? 200 : body.code));
}
const INVALID = CALLS.map(() => 'session_invalid');

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const read = (text = '') => JSON.parse(Buffer.from(text, 'base64url').toString());

describe('a session’s token', () => {
  test('as it was issued, is good for the profile and for a fresh one', async () => {
    assert.deepEqual(await codes(device, token), [200, 200]);
  });

  const FORGED: Readonly<Record<string, (header: string, payload: string, signature: string) => string>> = {
    'with another user in it': (header, payload, signature) =>
      [header, part({ ...read(payload), sub: randomUUID(), user: 'bob' }), signature].join('.'),
    'with a later end': (header, payload, signature) =>
      [header, part({ ...read(payload), exp: read(payload).exp + 3600 }), signature].join('.'),
    'that says `alg: none`': (header, payload) => [part({ ...read(header), alg: 'none' }), payload, ''].join('.'),
    'that says `alg: none` and keeps the signature': (header, payload, signature) =>
      [part({ ...read(header), alg: 'none' }), payload, signature].join('.'),
    'of another type': (header, payload, signature) =>
      [part({ ...read(header), typ: 'JWT' }), payload, signature].join('.'),
    'that names another server as its issuer': (header, payload, signature) =>
      [part({ ...read(header), kid: 'secondary' }), payload, signature].join('.'),
    'without a signature': (header, payload) => `${header}.${payload}.`,
    'with one bit of the signature changed': (header, payload, signature) => {
      const bytes = Buffer.from(signature, 'base64url');
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      return [header, payload, bytes.toString('base64url')].join('.');
    },
  };
  for (const [what, forge] of Object.entries(FORGED)) {
    test(`${what} is none`, async () => {
      const [header = '', payload = '', signature = ''] = token.split('.');
      assert.deepEqual(await codes(device, forge(header, payload, signature)), INVALID);
    });
  }

  test('is none at another device, which cannot end the session either', async () => {
    const other = await site.addDevice('tc-thief');
    assert.deepEqual(await codes(other, token), INVALID);
    const out = await site.primary.call(other, 'POST', '/v1/logout', { token });
    assert.deepEqual(out.body, { ended: false });
    assert.deepEqual(await codes(device, token), [200, 200]);
  });

  test('of another site is none, though its server, user and device are called the same', async () => {
    const other = await createDeviceSite();
    try {
      await other.addUser('alice');
      const twin = await other.addDevice(device.name);
      const body = await other.loginRequest(other.primary, twin, 'alice', PASSWORD);
      const foreign = (await other.primary.call(twin, 'POST', '/v1/login', { body })).body.session.token;
      assert.deepEqual(await codes(device, foreign), INVALID);
      assert.equal((await other.primary.call(twin, 'POST', '/v1/session', { token: foreign })).status, 200);
    } finally {
      await other.close();
    }
  });

  test('is none after a quarter of an hour', async () => {
    site.clock.forward(SESSION_LIFETIME_MS + CLOCK_SKEW_MS);
    assert.deepEqual(await codes(device, token), INVALID);
  });

  test('of a revoked device is refused with the device', async () => {
    await site.put('Device', device.name, { revoked: true });
    assert.deepEqual(
      await codes(device, token),
      CALLS.map(() => 'device_revoked'),
    );
  });

  test('without the device’s certificate is nothing', async () => {
    const stranger = { ...device, tls: undefined, keyHash: '' };
    assert.deepEqual(
      await codes(stranger, token),
      CALLS.map(() => 'device_unknown'),
    );
  });
});

test('no session of a user opens anything of administration', async () => {
  const admin = await createAdminSite();
  try {
    for (const { method, path } of ADMIN_ROUTES) {
      if (path === `${ADMIN_PREFIX}/login` || path === `${ADMIN_PREFIX}/logout`) continue;
      const url = path.replace(':kind', 'User').replace(':name', 'alice');
      const answer = await admin.apps.network.inject({ method, url, headers: { authorization: `Bearer ${token}` } });
      assert.deepEqual([answer.statusCode, answer.json().code], [401, 'unauthorized'], `${method} ${path}`);
    }
  } finally {
    await admin.close();
  }
});
