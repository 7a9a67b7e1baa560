import type { ServerStatus } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

export function journalPending(registry: Registry, status: () => ServerStatus): void {
  new Gauge({
    name: 'thinman_journal_pending_events',
    help: 'Events of the journal that are not in the source of record yet',
    registers: [registry],
    collect() {
      this.set(status().journalPending);
    },
  });
}
