import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatRecoveryCode,
  lastWrappedCaKey,
  newRecoveryCode,
  RECOVERY_CODE_BYTES,
  readRecoveryCode,
  unwrapCaKey,
  unwrapCaKeys,
  wrapCaKey,
  wrapCaKeys,
} from './recovery-code.ts';

const code = fc.uint8Array({ minLength: RECOVERY_CODE_BYTES, maxLength: RECOVERY_CODE_BYTES });
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

describe('the recovery code', () => {
  it('is read back whatever people make of case, spaces, hyphens and look-alikes', () => {
    fc.assert(
      fc.property(code, bytes => {
        const text = formatRecoveryCode(bytes);
        for (const typed of [
          text,
          text.toLowerCase(),
          text.replaceAll('-', ' '),
          text.replaceAll('0', 'o').replaceAll('1', 'l'),
        ]) {
          const read = readRecoveryCode(typed);
          assert.ok(read.ok);
          assert.deepEqual(read.code, Buffer.from(bytes));
        }
      }),
    );
  });

  it('tells every single wrong digit', () => {
    fc.assert(
      fc.property(code, fc.nat(27), fc.nat(30), (bytes, at, step) => {
        const digits = [...formatRecoveryCode(bytes).replaceAll('-', '')];
        digits[at] = DIGITS[(DIGITS.indexOf(digits[at] ?? '') + 1 + step) % 32] ?? '';
        assert.equal(readRecoveryCode(digits.join('')).ok, false);
      }),
    );
  });

  it('tells two neighbours that were swapped', () => {
    fc.assert(
      fc.property(code, fc.nat(24), (bytes, at) => {
        const digits = [...formatRecoveryCode(bytes).replaceAll('-', '')];
        const [left, right] = [digits[at] ?? '', digits[at + 1] ?? ''];
        fc.pre(left !== right);
        digits.splice(at, 2, right, left);
        assert.equal(readRecoveryCode(digits.join('')).ok, false);
      }),
    );
  });

  it('says what is wrong with one that was cut, or that has a letter which no code has', () => {
    const text = formatRecoveryCode(newRecoveryCode());
    assert.equal(readRecoveryCode(text.slice(0, -1)).ok, false);
    assert.equal(readRecoveryCode(`U${text.slice(1)}`).ok, false);
  });

  it('opens the CA key of its own site, and nothing else does', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const mine = newRecoveryCode();
    const wrapped = wrapCaKey(privateKey, mine, 'site');
    assert.ok(unwrapCaKey(wrapped, mine, 'site')?.equals(privateKey));
    assert.equal(unwrapCaKey(wrapped, mine, 'another site'), undefined);
    assert.equal(unwrapCaKey(wrapped, newRecoveryCode(), 'site'), undefined);
    assert.equal(unwrapCaKey('', mine, 'site'), undefined);
  });

  it('opens the old CA key by either code while the CA is changed, and the new one by the new code', () => {
    const [before, next] = [newKey(), newKey()];
    const [oldCode, newCode] = [newRecoveryCode(), newRecoveryCode()];
    const wrapped = wrapCaKeys(wrapCaKey(before, oldCode, 'site'), [before, next], newCode, 'site');
    const opened = (text: string, code: Uint8Array) =>
      unwrapCaKeys(text, code, 'site').map(key => [before, next].findIndex(known => known.equals(key)));
    assert.deepEqual(opened(wrapped, oldCode), [0]);
    assert.deepEqual(opened(wrapped, newCode), [0, 1]);
    assert.deepEqual(opened(lastWrappedCaKey(wrapped), newCode), [1]);
    assert.deepEqual(opened(lastWrappedCaKey(wrapped), oldCode), []);
    const again = newRecoveryCode();
    const repeated = wrapCaKeys(wrapped, [before, next], again, 'site');
    assert.deepEqual(
      [opened(repeated, oldCode), opened(repeated, newCode), opened(repeated, again)],
      [[0], [], [0, 1]],
    );
  });
});

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
