import type { CaPhase, CaStatus } from '@thinman/protocol';
import type { CaKeys } from './ca-keys.ts';
import { pinOf } from './pins.ts';

/** Where the site stands, by its CAs (PEM, the one that issues first) and by which of their keys came last. */
export function caPhase(caCertificates: readonly string[], keys: Pick<CaKeys, 'isNext'>): CaPhase {
  const [issuing, other] = caCertificates;
  if (issuing === undefined || other === undefined) return 'steady';
  return keys.isNext(pinOf(issuing)) ? 'switched' : 'begun';
}

/** What a CA is in this phase, by its place in the list. */
export function caRole(phase: CaPhase, place: number): CaStatus['cas'][number]['role'] {
  if (place === 0) return 'issuing';
  return phase === 'switched' ? 'previous' : 'next';
}
