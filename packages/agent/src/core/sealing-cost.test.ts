import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_KDF } from '@thinman/protocol';
import { sealingCost } from './sealing-cost.ts';

const CHEAP = { ...DEFAULT_KDF, memoryKib: 19 * 1024 };
const DEAR = { ...DEFAULT_KDF, passes: 3 };
const WEAK = { ...DEFAULT_KDF, memoryKib: 8 };
const ABSURD = { ...DEFAULT_KDF, passes: 100 };

test('a directory user’s row costs what the site asks for, at least what it cost, and never what an agent refuses', () => {
  const cases = [
    [undefined, undefined, DEFAULT_KDF],
    [CHEAP, undefined, CHEAP],
    [DEAR, undefined, DEAR],
    [DEAR, DEFAULT_KDF, DEAR],
    [CHEAP, DEFAULT_KDF, DEFAULT_KDF],
    [undefined, DEAR, DEAR],
    // Neither is dearer than the other: the row stays as it is.
    [{ ...CHEAP, passes: 5 }, DEFAULT_KDF, DEFAULT_KDF],
  ] as const;
  for (const [wanted, held, kdf] of cases) assert.deepEqual(sealingCost(wanted, held), { kdf, refusal: undefined });
  for (const wanted of [WEAK, ABSURD]) {
    const { kdf, refusal } = sealingCost(wanted, undefined);
    assert.deepEqual(kdf, DEFAULT_KDF);
    assert.match(refusal ?? '', /too (weak|expensive)/);
    assert.deepEqual(sealingCost(wanted, DEAR).kdf, DEAR);
  }
});
