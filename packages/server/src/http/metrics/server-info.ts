import type { ServerReport } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

export function serverInfo(registry: Registry, report: () => ServerReport): void {
  new Gauge({
    name: 'thinman_server_info',
    help: 'Always 1: which server this is, what it is now, its version and its kind of database',
    labelNames: ['server', 'role', 'version', 'database'],
    registers: [registry],
    collect() {
      const { name, role, version, database } = report();
      this.reset();
      this.set({ server: name, role, version, database: database.kind }, 1);
    },
  });
}
