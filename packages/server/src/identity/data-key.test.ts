import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { isDataKey, mergedDataKey, newDataKey, openDataKey, renewDataKey, unwrapDataKey } from './data-key.ts';
import { holdDataKey } from './data-key-holder.ts';
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

describe('a new data key', () => {
  const first = newDataKey();
  const second = renewDataKey(first);
  const [before, now] = [openDataKey(first, siteId), openDataKey(second, siteId)];

  it('opens what the one before has sealed, which opens nothing of the new one', () => {
    assert.equal(now.open(before.seal('older', 'a'), 'a'), 'older');
    assert.throws(() => before.open(now.seal('newer', 'a'), 'a'));
  });

  it('makes the MACs that the one before makes: nobody learns from a change of it who exists', () => {
    assert.deepEqual(now.mac('false-salt', 'alice'), before.mac('false-salt', 'alice'));
  });

  it('is not larger than its field in a Server object, however often it was renewed, and keeps the first key of the site', () => {
    let ring: Buffer = first;
    for (let times = 0; times < 20; times++) ring = renewDataKey(ring);
    assert.ok(isDataKey(ring));
    const wrapped = openDataKey(ring, siteId).wrapFor(rawPublicKey(generateKeyPairSync('x25519').privateKey));
    assert.ok(wrapped.length <= 512, `${wrapped.length}`);
    assert.deepEqual(openDataKey(ring, siteId).mac('false-salt', 'a'), before.mac('false-salt', 'a'));
  });

  it('is taken from a ring of the same site that holds something newer, and from no other', () => {
    assert.deepEqual(mergedDataKey(first, second), second);
    assert.equal(mergedDataKey(second, first), undefined, 'an older database');
    assert.equal(mergedDataKey(second, second), undefined);
    assert.equal(
      mergedDataKey(second, renewDataKey(newDataKey())),
      undefined,
      'by somebody who knows no key of the site',
    );
    assert.equal(mergedDataKey(second, Buffer.alloc(31)), undefined);
    const fork = renewDataKey(first);
    const merged = mergedDataKey(second, fork);
    assert.ok(merged);
    const both = openDataKey(merged, siteId);
    assert.equal(both.open(now.seal('mine', 'a'), 'a'), 'mine');
    assert.equal(both.open(openDataKey(fork, siteId).seal('theirs', 'a'), 'a'), 'theirs');
  });
});

describe('the data key of a server that runs', () => {
  const wrappingKey = generateKeyPairSync('x25519').privateKey;
  const first = newDataKey();
  const wrapped = (ring: Buffer) => openDataKey(ring, siteId).wrapFor(rawPublicKey(wrappingKey));

  it('follows its Server object, on disk first, and opens both before and after', () => {
    const saved: Buffer[] = [];
    const { dataKey, follow } = holdDataKey(first, { siteId, wrappingKey, save: ring => void saved.push(ring) });
    const sealed = dataKey.seal('older', 'a');
    const second = renewDataKey(first);
    const text = wrapped(second);
    assert.equal(dataKey.heldIn(text).open(openDataKey(second, siteId).seal('x', 'a'), 'a'), 'x');
    assert.deepEqual(saved, [], 'a commit that looks ahead changes nothing');
    follow(text);
    follow(text);
    follow(wrapped(second));
    assert.deepEqual(saved, [second]);
    assert.equal(dataKey.open(sealed, 'a'), 'older');
    assert.throws(() => openDataKey(first, siteId).open(dataKey.seal('newer', 'a'), 'a'));
    follow(wrapped(first));
    follow(undefined);
    assert.deepEqual(saved, [second], 'it never goes back');
  });

  it('takes none from whoever may write into the database and knows no key of the site', () => {
    const saved: Buffer[] = [];
    const { dataKey, follow } = holdDataKey(first, { siteId, wrappingKey, save: ring => void saved.push(ring) });
    for (const forged of [wrapped(newDataKey()), wrapped(renewDataKey(newDataKey())), 'AAAA', '']) {
      follow(forged);
      assert.equal(dataKey.heldIn(forged).open(dataKey.seal('x', 'a'), 'a'), 'x');
    }
    assert.deepEqual(saved, []);
  });
});
