import type { ServerReport } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

const MS_PER_SECOND = 1000;

/** What is behind: this server itself, and on the Primary each Secondary. */
export function behind(registry: Registry, report: () => ServerReport): void {
  const gauge = (name: string, help: string, read: (report: ServerReport) => Readonly<Record<string, number>>) =>
    new Gauge({
      name,
      help,
      labelNames: ['server'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [server, value] of Object.entries(read(report()))) this.set({ server }, value);
      },
    });
  gauge('thinman_link_connected', '1 if the link to this server is up', ({ link, secondaries = [] }) => ({
    ...(link && { [link.server]: Number(link.connected) }),
    ...Object.fromEntries(secondaries.map(({ name, linked }) => [name, Number(linked)])),
  }));
  gauge('thinman_lag_seconds', 'How long this server has lacked something', ({ name, database, secondaries = [] }) => ({
    [name]: database.lagMs / MS_PER_SECOND,
    ...Object.fromEntries(secondaries.map(({ name: whose, lagMs }) => [whose, lagMs / MS_PER_SECOND])),
  }));
  gauge('thinman_missing_objects', 'Objects that have not reached this server', report => ({
    ...(report.missing && { [report.name]: report.missing.count }),
    ...Object.fromEntries((report.secondaries ?? []).map(({ name, missing }) => [name, missing.count])),
  }));
}
