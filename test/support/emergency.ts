import { DEFAULT_EMERGENCY_HOURS } from '@thinman/protocol';
import type { Processes } from './processes.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';
import { FAST_TIMINGS } from './timings.ts';

/** From the next login on a cached one is too old at once: as if the device had been away for longer than is allowed. */
export async function expireCachedLogins(site: Site): Promise<void> {
  const body = { agent: { ...FAST_TIMINGS, hedgeDelayMs: 1_000 }, offline: { maxAgeDays: 0 } };
  await site.apply(JSON.stringify({ kind: 'SiteSettings', name: 'site', body }));
}

/** `thinman-server emergency-code`, by whoever answers the telephone. */
export function helpdesk(
  processes: Processes,
  server: Server,
  { device, user, challenge }: { readonly device: string; readonly user: string; readonly challenge: string },
) {
  const who = [
    '--device',
    device,
    '--user',
    user,
    '--challenge',
    challenge,
    '--hours',
    String(DEFAULT_EMERGENCY_HOURS),
  ];
  return processes.run('thinman-server', ['emergency-code', '--data', server.data, ...who, '--json']);
}
