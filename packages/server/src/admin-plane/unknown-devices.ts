import { MAX_PAGE_SIZE, parseValue, UnknownDevice, type UnknownDevicesAnswer } from '@thinman/protocol';
import Type from 'typebox';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { StoredEvent } from '../ports.ts';
import type { WriteDeps } from './admin-deps.ts';
import { withinDatabaseDeadline } from './commit.ts';

/** A device that is on asks at least every few minutes, and each server tells of it once an hour: a week covers holidays. */
const WINDOW_MS = 7 * 24 * 60 * 60_000;
/** Events looked at: with 5,000 devices unknown after a restored database, two hours of them. */
const MAX_EVENTS = 10_000;
/** Keys listed; the rest comes when these are approved. */
const MAX_LISTED = 1_000;

const { keyHash, certificate } = UnknownDevice.properties;
const Told = Type.Object({ keyHash, certificate });

/** Keys with a valid certificate of the site and without a Device, as all servers have told of them. */
export async function unknownDevices(
  deps: Pick<WriteDeps, 'record' | 'replica' | 'clock'>,
): Promise<Outcome<UnknownDevicesAnswer>> {
  const found = new Map<string, UnknownDevice>();
  let looked = 0;
  let before: string | undefined;
  let more = false;
  do {
    const asked = { type: 'device.unknown', limit: MAX_PAGE_SIZE, ...(before === undefined ? {} : { before }) };
    const page = await withinDatabaseDeadline(deps.clock, deps.record.events(asked));
    if (page === 'late') return refused('database_unavailable', { detail: 'The database does not answer.' });
    const recent = page.filter(({ takenAt }) => takenAt > deps.clock.nowMs() - WINDOW_MS);
    for (const event of recent) note(found, event);
    looked += page.length;
    const isLast = page.length < MAX_PAGE_SIZE || recent.length === 0;
    before = isLast ? undefined : String(page.at(-1)?.sequence);
    more = before !== undefined && looked >= MAX_EVENTS;
  } while (before !== undefined && !more);

  // Approved, enrolled, or revoked since: known either way.
  const unknown = [...found.values()].filter(device => deps.replica.findDeviceByKey(device.keyHash) === undefined);
  const items = unknown.toSorted((a, b) => b.lastSeenAt - a.lastSeenAt).slice(0, MAX_LISTED);
  return done({ items, more: more || items.length < unknown.length });
}

function note(found: Map<string, UnknownDevice>, { at, takenBy, data }: StoredEvent): void {
  const told = parseValue(Told, data);
  if (!told.ok) return;
  const held = found.get(told.value.keyHash);
  found.set(told.value.keyHash, {
    keyHash: told.value.keyHash,
    firstSeenAt: Math.min(at, held?.firstSeenAt ?? at),
    lastSeenAt: Math.max(at, held?.lastSeenAt ?? at),
    servers: [...new Set([...(held?.servers ?? []), takenBy])].toSorted(),
    // Events come newest first: a renewed certificate counts.
    certificate: held?.certificate ?? told.value.certificate,
  });
}
