import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_KDF } from '@thinman/protocol';
import type { BaseKey } from '../ports.ts';
import { createKeyring, withKeys } from './keyring.ts';

function make() {
  const log: string[] = [];
  const keyring = createKeyring({
    async derive(password, salt): Promise<BaseKey> {
      log.push(`derive ${password} ${salt}`);
      return {
        keysFor: userId => ({
          proof: () => '',
          changeProof: () => '',
          publicKey: '',
          seal: Buffer.from(userId),
          dispose: () => void log.push(`clear keys of ${userId}`),
        }),
        dispose: () => void log.push(`clear ${salt}`),
      };
    },
  });
  return { keyring, log };
}

test('a key is derived once for each salt, whoever asks', async () => {
  const { keyring, log } = make();
  const secrets = keyring.open('l-1', 'alice', 'a-password', 0);
  await Promise.all([keyring.derive(secrets, 'S1', DEFAULT_KDF), keyring.derive(secrets, 'S1', DEFAULT_KDF)]);
  await keyring.derive(secrets, 'S2', DEFAULT_KDF);
  assert.deepEqual(log, ['derive a-password S1', 'derive a-password S2']);
});

test('the password goes before the keys do; without it nothing new is derived', async () => {
  const { keyring } = make();
  const secrets = keyring.open('l-1', 'alice', 'a-password', 0);
  await keyring.derive(secrets, 'S1', DEFAULT_KDF);
  keyring.forgetPassword('l-1');
  assert.equal(secrets.password, undefined);
  assert.ok(await keyring.derive(secrets, 'S1', DEFAULT_KDF));
  assert.equal(await keyring.derive(secrets, 'S2', DEFAULT_KDF), undefined);
});

test('what is forgotten is cleared, also what is still being derived', async () => {
  const { keyring, log } = make();
  const secrets = keyring.open('l-1', 'alice', 'a-password', 0);
  const deriving = keyring.derive(secrets, 'S1', DEFAULT_KDF);
  keyring.forget('l-1');
  await deriving;
  await new Promise(setImmediate);
  assert.ok(log.includes('clear S1'));
  assert.equal(keyring.get('l-1'), undefined);
  assert.deepEqual([secrets.password, secrets.token, secrets.opened], [undefined, undefined, undefined]);
});

test('keys for one use are cleared after it, whatever happens in it', async () => {
  const { keyring, log } = make();
  const base = await keyring.derive(keyring.open('l-1', 'alice', 'a-password', 0), 'S1', DEFAULT_KDF);
  assert.ok(base !== undefined);
  assert.throws(() =>
    withKeys(base, 'u-1', () => {
      throw new Error('broken');
    }),
  );
  assert.ok(log.includes('clear keys of u-1'));
});

test('a session that goes on under another id keeps its keys', () => {
  const { keyring } = make();
  const secrets = keyring.open('l-1', 'alice', 'a-password', 0);
  keyring.rename('l-1', 'l-2');
  assert.equal(keyring.get('l-1'), undefined);
  assert.equal(keyring.get('l-2'), secrets);
});

test('what is forgotten while it is derived is no key any more', async () => {
  const { keyring, log } = make();
  const secrets = keyring.open('l-1', 'alice', 'a-password', 0);
  const derived = keyring.derive(secrets, 'S1', DEFAULT_KDF);
  keyring.forget('l-1');
  assert.equal(await derived, undefined);
  await new Promise(setImmediate);
  assert.deepEqual(log, ['derive a-password S1', 'clear S1']);
});
