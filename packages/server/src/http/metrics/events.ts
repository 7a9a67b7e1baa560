import { DEVICE_EVENT_TYPES, type RecordedEvent, SERVER_EVENT_TYPES } from '@thinman/protocol';
import { Counter, type Registry } from 'prom-client';

/** A newer agent's: as many types as it likes, one label. */
const OTHER = 'other';
const QUARANTINED = 'event.quarantined';

/** What happened, as this server wrote it down: of devices, and its own. */
export function events(registry: Registry): (taken: readonly RecordedEvent[]) => void {
  const types: ReadonlySet<string> = new Set([...DEVICE_EVENT_TYPES, ...SERVER_EVENT_TYPES, OTHER]);
  const counter = new Counter({
    name: 'thinman_events_total',
    help: 'Events that this server took, from thin clients and of its own, by type; one that is sent again counts again',
    labelNames: ['type'],
    registers: [registry],
  });
  const quarantined = new Counter({
    name: 'thinman_events_quarantined_total',
    help: 'Events that the database refused for good: they lie in its quarantine',
    registers: [registry],
  });
  // From zero: the first one must be seen to rise.
  for (const type of types) counter.inc({ type }, 0);
  return taken => {
    for (const { type, data } of taken) {
      counter.inc({ type: types.has(type) ? type : OTHER });
      if (type === QUARANTINED) quarantined.inc(Number(data.quarantined) || 0);
    }
  };
}
