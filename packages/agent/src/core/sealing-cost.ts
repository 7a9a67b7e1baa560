import { DEFAULT_KDF, isRaised, type KdfParameters, kdfRefusal, SALT_BYTES } from '@thinman/protocol';

/**
 * What the key costs that seals a directory user's row on this device: what the site asks for, within what an agent takes from any
 * server, and never less than the row that is held. `refusal`: why the site's word is not taken.
 */
export function sealingCost(
  wanted: KdfParameters | undefined,
  held: KdfParameters | undefined,
): { readonly kdf: KdfParameters; readonly refusal: string | undefined } {
  const refusal = wanted === undefined ? undefined : kdfRefusal(wanted, SALT_BYTES);
  const asked = wanted === undefined || refusal !== undefined ? DEFAULT_KDF : wanted;
  if (held === undefined || isRaised(asked, held)) return { kdf: asked, refusal };
  return { kdf: held, refusal };
}
