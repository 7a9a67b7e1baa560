import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto';
import { deriveKey, openBox, sealBox } from './sealed-box.ts';

/** Crockford's base 32: no I, L, O, U; read back without regard to case. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
export const RECOVERY_CODE_BYTES = 16;
const DATA_DIGITS = 26; // 128 bits in digits of 5
/** The largest prime that two digits hold: as a modulus it tells every single wrong digit and every swap of two neighbours. */
const CHECK_PRIME = 1021n;
const GROUP_DIGITS = 4;

const CA_KEY_INFO = 'thinman/1/ca-key';
const SALT_BYTES = 16;
/** Between several wrapped keys: no letter of base64url. */
const BETWEEN = '.';

export type ReadRecoveryCode =
  | { readonly ok: true; readonly code: Buffer }
  | { readonly ok: false; readonly why: string };

/** 128 random bits. 128 bits need no slow derivation: nobody counts through them. */
export function newRecoveryCode(): Buffer {
  return randomBytes(RECOVERY_CODE_BYTES);
}

/** As people copy it: seven groups of four digits, the last two of which are a check. */
export function formatRecoveryCode(code: Uint8Array): string {
  const value = BigInt(`0x${Buffer.from(code).toString('hex')}`);
  const digits = toDigits(value, DATA_DIGITS) + toDigits(value % CHECK_PRIME, 2);
  return (digits.match(new RegExp(`.{${GROUP_DIGITS}}`, 'g')) ?? []).join('-');
}

export function readRecoveryCode(text: string): ReadRecoveryCode {
  const digits = text.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  if (digits.length !== DATA_DIGITS + 2) {
    return {
      ok: false,
      why: `a recovery code has ${DATA_DIGITS + 2} letters and digits; this one has ${digits.length}`,
    };
  }
  let value = 0n;
  for (const digit of digits.slice(0, DATA_DIGITS)) value = value * 32n + BigInt(DIGITS.indexOf(digit));
  const wellFormed = [...digits].every(digit => DIGITS.includes(digit)) && value >> 128n === 0n;
  if (!wellFormed || toDigits(value % CHECK_PRIME, 2) !== digits.slice(DATA_DIGITS)) {
    return { ok: false, why: 'the recovery code was mistyped; compare it digit by digit with what init printed' };
  }
  return { ok: true, code: Buffer.from(value.toString(16).padStart(2 * RECOVERY_CODE_BYTES, '0'), 'hex') };
}

/** The CA's private key under the recovery code; lies in the site row, so that it survives the Primary's host. */
export function wrapCaKey(caKey: KeyObject, code: Uint8Array, siteId: string): string {
  const plain = caKey.export({ type: 'pkcs8', format: 'der' });
  const salt = randomBytes(SALT_BYTES);
  const key = deriveKey(code, salt, CA_KEY_INFO);
  try {
    return Buffer.concat([salt, sealBox(key, plain, Buffer.from(siteId))]).toString('base64url');
  } finally {
    key.fill(0);
    plain.fill(0);
  }
}

/**
 * What the site row holds while the CA is changed: the current key as it was wrapped before, and both keys under the new code.
 * So either code gives a key that works, and the new one gives all.
 */
export function wrapCaKeys(before: string, keys: readonly KeyObject[], code: Uint8Array, siteId: string): string {
  return [before.split(BETWEEN)[0] ?? '', ...keys.map(key => wrapCaKey(key, code, siteId))].join(BETWEEN);
}

/** What it holds when the change is over: the new key under the new code. */
export function lastWrappedCaKey(wrapped: string): string {
  return wrapped.split(BETWEEN).at(-1) ?? '';
}

/** Every CA's key that this code opens, an older CA's first. None: the code of another site, or a changed row. */
export function unwrapCaKeys(wrapped: string, code: Uint8Array, siteId: string): KeyObject[] {
  return wrapped
    .split(BETWEEN)
    .map(one => unwrapCaKey(one, code, siteId))
    .filter(key => key !== undefined);
}

/** One of them. undefined: the code of another site, or a changed row. */
export function unwrapCaKey(wrapped: string, code: Uint8Array, siteId: string): KeyObject | undefined {
  const bytes = Buffer.from(wrapped, 'base64url');
  const key = deriveKey(code, bytes.subarray(0, SALT_BYTES), CA_KEY_INFO);
  const plain = openBox(key, bytes.subarray(SALT_BYTES), Buffer.from(siteId));
  key.fill(0);
  if (plain === undefined) return undefined;
  try {
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } finally {
    plain.fill(0);
  }
}

function toDigits(value: bigint, count: number): string {
  let digits = '';
  for (let i = count - 1; i >= 0; i--) digits += DIGITS[Number((value >> BigInt(5 * i)) & 31n)];
  return digits;
}
