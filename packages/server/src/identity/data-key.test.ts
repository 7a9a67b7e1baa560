import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { newDataKey, openDataKey, unwrapDataKey } from './data-key.ts';
import { rawPublicKey } from './raw-keys.ts';

const siteId = '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59';

describe('the site data key', () => {
  const raw = newDataKey();
  const key = openDataKey(raw, siteId);
  const joiner = generateKeyPairSync('x25519').privateKey;

  it('reaches the server to whose key it is wrapped', () => {
    const wrapped = key.wrapFor(rawPublicKey(joiner));
    assert.deepEqual(unwrapDataKey(wrapped, joiner, siteId), raw);
    assert.notEqual(key.wrapFor(rawPublicKey(joiner)), wrapped, 'each wrapping has a key of its own');
  });

  it('reaches no other server, no other site, and not through a changed wrapping', () => {
    const wrapped = key.wrapFor(rawPublicKey(joiner));
    const bytes = Buffer.from(wrapped, 'base64url');
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    assert.equal(unwrapDataKey(wrapped, generateKeyPairSync('x25519').privateKey, siteId), undefined);
    assert.equal(unwrapDataKey(wrapped, joiner, 'another site'), undefined);
    assert.equal(unwrapDataKey(bytes.toString('base64url'), joiner, siteId), undefined);
    assert.equal(unwrapDataKey('', joiner, siteId), undefined);
  });

  it('is not wrapped to what is no key', () => {
    assert.throws(() => key.wrapFor('AAAA'));
    assert.throws(() => key.wrapFor(Buffer.alloc(32).toString('base64url')), 'a point of low order');
  });

  it('makes the same MAC on all servers, another one for each purpose, list of parts and site', () => {
    const elsewhere = openDataKey(raw, siteId);
    assert.deepEqual(key.mac('false-salt', 'alice'), elsewhere.mac('false-salt', 'alice'));
    const macs = [
      key.mac('false-salt', 'alice'),
      key.mac('failure-fact', 'alice'),
      key.mac('false-salt', 'ali', 'ce'),
      openDataKey(raw, 'another site').mac('false-salt', 'alice'),
    ];
    assert.equal(new Set(macs.map(mac => mac.toString('hex'))).size, macs.length);
  });

  it('opens what it sealed, in its own context only', () => {
    const sealed = key.seal('bind password', 'Directory/ad/bindPassword');
    assert.equal(key.open(sealed, 'Directory/ad/bindPassword'), 'bind password');
    assert.throws(() => key.open(sealed, 'Directory/other/bindPassword'));
    assert.ok(!Buffer.from(sealed, 'base64url').includes('bind password'));
  });
});
