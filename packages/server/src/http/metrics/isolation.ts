import type { ServerReport } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

export function isolation(registry: Registry, report: () => ServerReport): void {
  new Gauge({
    name: 'thinman_isolated',
    help: '1 while this Primary takes no administrative writes: it sees neither a thin client nor another server',
    registers: [registry],
    collect() {
      this.set(Number(report().isolated === true));
    },
  });
}
