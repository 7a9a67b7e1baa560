import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { KDF_FLOOR, type KdfParameters } from '@thinman/protocol';
import { Overloaded } from './errors.ts';
import { createHashQueue } from './hash-queue.ts';
import { createPasswordHasher } from './password-hasher.ts';

type Vectors = {
  siteId: string;
  vectors: { name: string; password: string; kdf: KdfParameters; salt: string; publicKey: string }[];
};
const spec: Vectors = JSON.parse(
  readFileSync(new URL('../../../../test/spec/kdf-vectors.json', import.meta.url), 'utf8'),
);
const cheap: KdfParameters = { algorithm: 'argon2id', memoryKib: 64, passes: 1, lanes: 1 };

describe('the password hasher', () => {
  const hasher = createPasswordHasher();

  for (const { name, password, ...credential } of spec.vectors) {
    it(`derives the key of the specification: ${name}`, async () => {
      assert.equal(await hasher.fits(password, spec.siteId, credential), true);
      assert.equal(await hasher.fits(`${password}!`, spec.siteId, credential), false);
    });
  }

  it('gives each password a salt of its own, and a key that fits at this site only', async () => {
    const [a, b] = await Promise.all([1, 2].map(() => hasher.credential('a-first-password', spec.siteId, cheap)));
    assert.ok(a !== undefined && b !== undefined);
    assert.notEqual(a.salt, b.salt);
    assert.equal(Buffer.from(a.salt, 'base64url').length, KDF_FLOOR.saltBytes);
    assert.equal(await hasher.fits('a-first-password', spec.siteId, { kdf: cheap, ...a }), true);
    assert.equal(await hasher.fits('a-first-password', 'another site', { kdf: cheap, ...a }), false);
  });

  it('knows an administrator by the password', async () => {
    const held = await hasher.administrator('long enough');
    assert.equal(await hasher.administratorFits('long enough', held), true);
    assert.equal(await hasher.administratorFits('long enough ', held), false);
  });
});

describe('the queue before the hashes', () => {
  it('turns the next one away when it is full, and says when to come back', async () => {
    const queue = createHashQueue(1, 1);
    const gate = Promise.withResolvers<void>();
    const first = queue.bounded(() => gate.promise);
    const second = queue.bounded(async () => 'second');
    await assert.rejects(
      queue.bounded(async () => 'third'),
      error => error instanceof Overloaded && error.retryAfterMs > 0,
    );
    gate.resolve();
    await first;
    assert.equal(await second, 'second');
  });

  it('takes those at the door before a long apply, and loses none of either', async () => {
    const queue = createHashQueue(1, 8);
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const running = queue.patient(() => gate.promise);
    const bulk = [1, 2, 3].map(n => queue.patient(async () => void order.push(`bulk ${n}`)));
    const door = queue.bounded(async () => void order.push('door'));
    gate.resolve();
    await Promise.all([running, ...bulk, door]);
    assert.deepEqual(order, ['door', 'bulk 1', 'bulk 2', 'bulk 3']);
  });

  it('goes on after a failure', async () => {
    const queue = createHashQueue(1, 1);
    await assert.rejects(queue.patient(() => Promise.reject(new Error('out of memory'))));
    assert.equal(await queue.patient(async () => 'next'), 'next');
  });
});
