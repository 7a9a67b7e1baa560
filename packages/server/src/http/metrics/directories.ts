import type { ServerReport } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

/** Counts alone: metrics name no object. Which it is, `thinman status` says. */
export function directories(registry: Registry, report: () => ServerReport): void {
  new Gauge({
    name: 'thinman_directory_servers',
    help: 'Servers of LDAP and Active Directory, by whether this server asks them (closed) or leaves them out (open)',
    labelNames: ['breaker'],
    registers: [registry],
    collect() {
      const all = (report().directories ?? []).flatMap(({ servers }) => servers);
      for (const wanted of ['closed', 'open'] as const) {
        this.set({ breaker: wanted }, all.filter(({ breaker }) => breaker === wanted).length);
      }
    },
  });
}
