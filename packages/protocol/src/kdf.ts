import Type, { type Static } from 'typebox';

/** Parameters of Argon2id. `memoryKib` in KiB, `passes` = t, `lanes` = p. */
export const KdfParameters = Type.Object({
  algorithm: Type.Literal('argon2id'),
  memoryKib: Type.Integer({ minimum: 8, maximum: 1024 * 1024 }),
  passes: Type.Integer({ minimum: 1, maximum: 100 }),
  lanes: Type.Integer({ minimum: 1, maximum: 16 }),
});
export type KdfParameters = Static<typeof KdfParameters>;

/** What a new password gets: 131 ms on the reference machine (`design.md`, idea 6). */
export const DEFAULT_KDF: KdfParameters = { algorithm: 'argon2id', memoryKib: 64 * 1024, passes: 2, lanes: 1 };

/** A salt of its own for every password. */
export const SALT_BYTES = 16;
/** What Argon2id gives: 256 bits, as both keys that are made of it need. */
export const DERIVED_KEY_BYTES = 32;

/** What an agent refuses: below, a stolen database is cheap to attack; above, a rogue server stalls the device. */
export const KDF_FLOOR = { memoryKib: 19 * 1024, passes: 2, saltBytes: SALT_BYTES } as const;
/** Above this an agent refuses: a rogue server must not stall a thin client of 2 GB. */
export const KDF_CEILING = { memoryKib: 256 * 1024, passes: 10, lanes: 4 } as const;

/** Why the agent refuses these parameters, or undefined. `lastUsed`: those of this user's last login here. */
export function kdfRefusal(kdf: KdfParameters, saltBytes: number, lastUsed?: KdfParameters): string | undefined {
  if (saltBytes < KDF_FLOOR.saltBytes) return `a salt of ${saltBytes} bytes is too short`;
  if (kdf.memoryKib < KDF_FLOOR.memoryKib || kdf.passes < KDF_FLOOR.passes) return 'the key derivation is too weak';
  if (kdf.memoryKib > KDF_CEILING.memoryKib || kdf.passes > KDF_CEILING.passes || kdf.lanes > KDF_CEILING.lanes) {
    return 'the key derivation is too expensive';
  }
  if (lastUsed !== undefined && (kdf.memoryKib < lastUsed.memoryKib || kdf.passes < lastUsed.passes)) {
    return 'the key derivation is weaker than it was for this user';
  }
  return undefined;
}

/** Labels of the derivations (`design.md`, idea 6). A change of any of them is a new protocol. */
export const AUTH_INFO = 'thinman/1/auth';
/** Label of the key that seals a user's row on a device. */
export const SEAL_INFO = 'thinman/1/seal';
/** First part of what a login proof signs. */
export const LOGIN_INFO = 'thinman/1/login';
