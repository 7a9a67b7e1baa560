import type { ServerReport } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';
import type { ConnectionLoad } from '../../ports.ts';

/** Whether the source of record answers, what its schema is, and how busy the connections to it are. */
export function database(
  registry: Registry,
  report: () => ServerReport,
  connections: () => readonly ConnectionLoad[],
): void {
  const gauge = (name: string, help: string, read: (report: ServerReport) => number) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(read(report()));
      },
    });
  gauge('thinman_database_reachable', '1 while the source of record answers', now => Number(now.database.reachable));
  gauge('thinman_schema', 'Schema of the database, as this server last read it', ({ schema }) => schema);
  gauge(
    'thinman_schema_written',
    'Schema that this version writes; it works with the one before and the next one as well',
    ({ schema, writesSchema = schema }) => writesSchema,
  );
  new Gauge({
    name: 'thinman_database_connections',
    help: 'Connections to the database by what for (feed, reader, writer), in use or idle; waiting: work that waits for one',
    labelNames: ['lane', 'state'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { lane, inUse, idle, waiting } of connections()) {
        this.set({ lane, state: 'in_use' }, inUse);
        this.set({ lane, state: 'idle' }, idle);
        this.set({ lane, state: 'waiting' }, waiting);
      }
    },
  });
  new Gauge({
    name: 'thinman_database_connections_limit',
    help: 'Connections that there may be at most',
    labelNames: ['lane'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { lane, limit } of connections()) this.set({ lane }, limit);
    },
  });
}
