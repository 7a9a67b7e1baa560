import type { ServerReport } from '@thinman/protocol';
import { createMetrics } from '../../packages/server/src/http/metrics/metrics.ts';

/** One metric of `GET /metrics`. */
export type KnownMetric = {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
};

const MISSING = { count: 1, objects: [] };

/** A server that has something to say to each metric: a Primary that also sees another server. */
const REPORT: ServerReport = {
  ...{ name: 'primary', role: 'primary', state: 'degraded', why: 'database_lost', epoch: 2, generation: 7 },
  ...{ connectedDevices: 1, journalPending: 1, version: '1.0.0', schema: 1, writesSchema: 1, missing: MISSING },
  database: { kind: 'mariadb', reachable: false, lagMs: 1 },
  journal: { path: 'journal', bytes: 1, pendingBytes: 1, limitBytes: 1, oldestPendingMs: 1, reserveBytes: 1 },
  link: { server: 'other', connected: true },
  directories: [
    { name: 'lab', servers: [{ url: 'ldaps://dc1.lab.test', breaker: 'open', since: 1, lastError: 'silent' }] },
  ],
  secondaries: [
    {
      ...{ name: 'secondary', linked: true, state: 'serving', epoch: 2, generation: 7, lagMs: 0, journalPending: 0 },
      missing: MISSING,
    },
  ],
};

/** Every metric of ours, as `GET /metrics` gives it. What Node.js itself adds is not in it. */
export async function knownMetrics(): Promise<readonly KnownMetric[]> {
  const metrics = createMetrics(() => REPORT, {
    certificateExpiresAtMs: () => 0,
    connections: () => [{ lane: 'reader', inUse: 1, idle: 1, waiting: 0, limit: 3 }],
  });
  metrics.loginAnswered('granted', 1);
  const text = await metrics.render();
  return [...text.matchAll(/^# HELP (thinman_\w+) (.*)\n# TYPE \w+ (\w+)\n([^#]*)/gm)].map(
    ([, name = '', help = '', type = '', samples = '']) => {
      const labels = [...samples.matchAll(/[{,](\w+)="/g)].map(([, label = '']) => label);
      return { name, help, type, labels: [...new Set(labels)].filter(label => label !== 'le') };
    },
  );
}
