import assert from 'node:assert/strict';
import { randomBytes, randomUUID, sign } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { changeProofBytes, DEFAULT_KDF, type DerivedPasswordChange, type KdfParameters } from '@thinman/protocol';
import {
  createDeviceSite,
  type DeviceSite,
  PASSWORD,
  type TestDevice,
  type TestServer,
  userKey,
} from '../../../../test/support/device-site.ts';
import { SITE_ID } from '../../../../test/support/record-fixtures.ts';
import { rawPublicKey } from '../identity/raw-keys.ts';

const NEW = 'another-password';
let site: DeviceSite;
let device: TestDevice;
before(async () => {
  site = await createDeviceSite();
});
after(() => site.close());
beforeEach(async () => {
  device = await site.addDevice(`tc-${randomUUID()}`);
});

type Options = {
  server?: TestServer;
  old?: string;
  holder?: string;
  salt?: string;
  kdf?: KdfParameters;
  why?: 'raised';
};

/** A change as an agent makes it; what is wrong with it is an option. */
async function request(user: string, options: Options = {}): Promise<DerivedPasswordChange> {
  const { server = site.primary, old = PASSWORD, holder = NEW, kdf = DEFAULT_KDF } = options;
  const why: DerivedPasswordChange['why'] = options.why ?? 'changed';
  const begun = (await site.primary.call(device, 'POST', '/v1/login/begin', { body: { user } })).body;
  const salt = options.salt ?? randomBytes(16).toString('base64url');
  const next = { salt, kdf, publicKey: rawPublicKey(userKey(NEW, salt)) };
  const changeId = randomUUID();
  const parts = {
    siteId: SITE_ID,
    serverKeyHash: server.keyHash,
    deviceKeyHash: device.keyHash,
    user,
    changeId,
    why,
    next,
  };
  const signed = (password: string, its: string) =>
    sign(null, changeProofBytes(parts), userKey(password, its)).toString('base64url');
  const proof = signed(old, begun.salt);
  return {
    changeId,
    user,
    method: 'derived',
    why,
    salt: begun.salt,
    kdf: begun.kdf,
    proof,
    next,
    nextProof: signed(holder, salt),
  };
}
const send = (body: DerivedPasswordChange, server = site.primary) =>
  server.call(device, 'POST', '/v1/password', { body });
const logIn = async (user: string, password: string) => {
  const body = await site.loginRequest(site.primary, device, user, password);
  return (await site.primary.call(device, 'POST', '/v1/login', { body })).status;
};
const held = (user: string) =>
  site.primary.deps.replica.get('User', user)?.system.credential as Record<string, unknown>;

describe('a change of password', () => {
  test('takes the new key, once however often it is sent, and keeps all else that is written of the user', async () => {
    await site.addUser('alice', { displayName: 'Alice', passwordExpiresAt: '2026-01-01T00:00:00Z' });
    const body = await request('alice');
    const [first, again] = [await send(body), await send(body)];
    assert.equal(first.status, 200, JSON.stringify(first.body));
    assert.deepEqual([first.body.credentialVersion, again.body.credentialVersion], [2, 2]);
    assert.deepEqual(again.body.subject, first.body.subject);
    assert.deepEqual(site.primary.deps.replica.get('User', 'alice')?.body, { displayName: 'Alice' });
    assert.deepEqual([await logIn('alice', PASSWORD), await logIn('alice', NEW)], [401, 200]);
  });

  test('by a wrong old key is refused, and counts as a wrong password at a login does', async () => {
    await site.addUser('bob');
    for (let n = 0; n < 5; n++) {
      const { body } = await send(await request('bob', { old: `guess-${n}` }));
      assert.equal(body.code, 'credentials_invalid');
    }
    const locked = await send(await request('bob'));
    assert.equal(locked.body.code, 'account_locked');
    assert.equal(await logIn('bob', PASSWORD), 423);
  });

  test('is refused where a key is not held, the salt is the old one, or the cost is lower', async () => {
    await site.addUser('carol');
    const salt = String(held('carol').salt);
    const cheap = { ...DEFAULT_KDF, memoryKib: 19 * 1024 };
    for (const wrong of [
      { holder: 'somebody-else' },
      { salt },
      { salt: 'AAAA' },
      { kdf: cheap },
      { why: 'raised' as const },
    ]) {
      const { body } = await send(await request('carol', wrong));
      assert.equal(body.code, 'bad_request', JSON.stringify(wrong));
    }
    assert.equal(await logIn('carol', PASSWORD), 200);
  });

  test('tells nothing of an account but by its password, and changes none that is disabled', async () => {
    await site.addUser('dora', { disabled: true });
    const code = async (user: string, old?: string) =>
      (await send(await request(user, old === undefined ? {} : { old }))).body.code;
    assert.equal(await code('dora', 'not-it'), 'credentials_invalid');
    assert.equal(await code('nobody-at-all'), 'credentials_invalid');
    assert.equal(await code('dora'), 'account_disabled');
  });

  test('is made on the Primary alone, and what was signed for one server is nothing at another', async () => {
    await site.addUser('emma');
    const secondary = await site.startSecondary();
    const refused = await send(await request('emma', { server: secondary }), secondary);
    assert.equal(refused.body.code, 'not_primary');
    assert.match(refused.body.primaryUrl, /primary/);
    const replayed = await send(await request('emma', { server: secondary }));
    assert.equal(replayed.body.code, 'credentials_invalid');
  });

  test('at the site’s higher cost keeps the version, is asked for with a grant, and is counted', async () => {
    await site.addUser('fred');
    const dear = { ...DEFAULT_KDF, passes: 3 };
    const grant = async () => {
      const body = await site.loginRequest(site.primary, device, 'fred', PASSWORD);
      return (await site.primary.call(device, 'POST', '/v1/login', { body })).body;
    };
    assert.equal((await grant()).raise, undefined);
    await site.put('SiteSettings', 'site', { kdf: dear });
    assert.deepEqual((await grant()).raise, dear);
    const raised = await send(await request('fred', { kdf: dear, why: 'raised' }));
    assert.deepEqual([raised.status, raised.body.credentialVersion], [200, 1]);
    const { version, raises, kdf } = held('fred');
    assert.deepEqual([version, raises, kdf], [1, 1, dear]);
  });
});
