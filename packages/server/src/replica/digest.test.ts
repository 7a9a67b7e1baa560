import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectRow } from '../record/stored-object.ts';
import { createDigest } from './digest.ts';

const rows = fc.array(
  fc.record<ObjectRow>({
    kind: fc.constantFrom('User', 'Device'),
    name: fc.string({ unit: 'grapheme' }),
    uid: fc.uuid(),
    generation: fc.nat(),
    body: fc.json(),
    system: fc.constant('{}'),
    deleted: fc.constantFrom(0, 1),
  }),
);

/** As the first release has written it into files that are still there. */
function written(all: readonly ObjectRow[], seal: string): string {
  const sum = Buffer.alloc(32);
  const texts = all.map(row =>
    [row.kind, row.name, row.uid, row.generation, row.body, row.system, row.deleted].join('\0'),
  );
  for (const text of [...texts, seal]) {
    for (const [at, byte] of createHash('sha256').update(text).digest().entries()) sum[at] = (sum[at] ?? 0) ^ byte;
  }
  return sum.toString('hex');
}

test('the digest of a replica is the XOR of SHA-256 of its rows, as it lies in files of earlier releases', () => {
  fc.assert(
    fc.property(rows, fc.string(), (all, seal) => {
      const digest = createDigest();
      for (const row of all) digest.toggle(row);
      assert.equal(digest.sealedWith(seal), written(all, seal));
    }),
  );
});

test('a row that is taken out again leaves the digest as it was; a copy goes its own way', () => {
  fc.assert(
    fc.property(rows, rows, (some, others) => {
      const digest = createDigest();
      for (const row of some) digest.toggle(row);
      const copy = digest.copy();
      for (const row of others) copy.toggle(row);
      assert.equal(digest.sealedWith(''), written(some, ''));
      for (const row of others) copy.toggle(row);
      assert.equal(copy.sealedWith(''), written(some, ''));
    }),
  );
});
