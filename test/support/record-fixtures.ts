import { randomUUID } from 'node:crypto';
import type { RecordedEvent } from '@thinman/protocol';
import type { NewSite } from '../../packages/server/src/ports.ts';

export const SITE_ID = '11111111-2222-4333-8444-555555555555';
export const PRIMARY = 'instance-of-the-primary';
/** Who commits in tests that are not about the role. */
export const AS_PRIMARY = { instance: PRIMARY, epoch: 1, actor: 'admin' } as const;

export function newSite(more: Partial<NewSite> = {}): NewSite {
  return {
    siteId: SITE_ID,
    primaryInstance: PRIMARY,
    statement: { statement: '{"epoch":1,"version":1}', signature: 'c2ln', signedBy: 'b'.repeat(43) },
    caCertificates: ['-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n'],
    wrappedCaKey: 'wrapped',
    ...more,
  };
}

export function recordedEvent(more: Partial<RecordedEvent> = {}): RecordedEvent {
  return {
    id: randomUUID(),
    type: 'login',
    at: 1_700_000_000_000,
    user: 'alice',
    data: { verdict: 'granted', mode: 'online' },
    origin: 'device:tc-1',
    takenBy: 'primary',
    takenAt: 1_700_000_000_100,
    ...more,
  };
}
