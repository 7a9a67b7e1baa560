import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { DEFAULT_OFFLINE_RULES, type UserBundle } from '@thinman/protocol';
import type { DerivedKeys, SealedAbout } from '../ports.ts';
import { createSealing } from './sealing.ts';

const sealing = createSealing();
const about: SealedAbout = {
  siteId: '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59',
  deviceId: '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11',
  userId: '9d0f3b7a-52c4-4a0e-8a63-7f2b1c5d4e33',
  version: { epoch: 1, generation: 7 },
};
const bundle: UserBundle = {
  version: about.version,
  etag: 'e',
  user: { id: about.userId, name: 'alice', displayName: null, groups: ['nurses'] },
  settings: {},
  profile: { connections: [{ name: 'ward', type: 'rdp', host: 'rds.example.org' }] },
  offline: DEFAULT_OFFLINE_RULES,
};

function keysWith(seal: Buffer): DerivedKeys {
  return { seal, publicKey: '', proof: () => '', changeProof: () => '', dispose: () => {} };
}

test('what was sealed opens again with the same keys, and with no others', () => {
  const keys = keysWith(randomBytes(32));
  const sealed = sealing.seal(bundle, keys, about);
  assert.deepEqual(sealing.open(sealed, keys, about), bundle);
  assert.equal(sealing.open(sealed, keysWith(randomBytes(32)), about), undefined);
});

test('a row that was moved to another user, device, site or version does not open', () => {
  const keys = keysWith(randomBytes(32));
  const sealed = sealing.seal(bundle, keys, about);
  const others: SealedAbout[] = [
    { ...about, userId: about.deviceId },
    { ...about, deviceId: about.userId },
    { ...about, siteId: about.userId },
    { ...about, version: { epoch: 2, generation: 7 } },
    { ...about, version: { epoch: 1, generation: 8 } },
  ];
  for (const other of others) assert.equal(sealing.open(sealed, keys, other), undefined);
});

test('a row with any bit changed, cut anywhere, or of another form does not open, and nothing throws', () => {
  const keys = keysWith(randomBytes(32));
  const sealed = sealing.seal(bundle, keys, about);
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(sealing.open(changed, keys, about), undefined, `bit in byte ${at}`);
    assert.equal(sealing.open(sealed.subarray(0, at), keys, about), undefined, `cut at ${at}`);
  }
});

test('a sealed row shows nothing of the profile, and no two rows are alike', () => {
  const keys = keysWith(randomBytes(32));
  const [one, two] = [sealing.seal(bundle, keys, about), sealing.seal(bundle, keys, about)];
  assert.notDeepEqual(one, two);
  for (const word of ['rds.example.org', 'ward', 'alice']) assert.ok(!one.includes(word), word);
});
