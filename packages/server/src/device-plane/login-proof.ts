import { verify } from 'node:crypto';
import { type DerivedLoginRequest, loginProofBytes } from '@thinman/protocol';
import { publicKeyFromRaw } from '../identity/raw-keys.ts';

/** Whether the proof is the user's key's, over this login at this server from this device. */
export function proofFits(
  publicKey: string,
  request: Pick<DerivedLoginRequest, 'user' | 'loginId' | 'proof'>,
  at: { readonly siteId: string; readonly serverKeyHash: string; readonly deviceKeyHash: string },
): boolean {
  const key = publicKeyFromRaw('Ed25519', publicKey);
  if (key === undefined) return false;
  const { user, loginId } = request;
  const signed = loginProofBytes({ ...at, user, loginId });
  return verify(null, signed, key, Buffer.from(request.proof, 'base64url'));
}
