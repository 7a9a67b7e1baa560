import type { RecordedEvent, ServerReport } from '@thinman/protocol';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ConnectionLoad } from '../../ports.ts';
import { behind } from './behind.ts';
import { certificateExpiry } from './certificate-expiry.ts';
import { connectedDevices } from './connected-devices.ts';
import { database } from './database.ts';
import { directories } from './directories.ts';
import { events } from './events.ts';
import { generation } from './generation.ts';
import { isolation } from './isolation.ts';
import { journal } from './journal.ts';
import { loginDuration } from './login-duration.ts';
import { logins } from './logins.ts';
import { serverInfo } from './server-info.ts';
import { serverState } from './server-state.ts';

/** What a server counts, and what it tells when it is asked (`GET /metrics`). One file a subject; all of it in `docs/metrics.md`. */
export type Metrics = {
  /** `outcome`: `granted`, or the code of the problem. */
  loginAnswered(outcome: string, durationMs: number): void;
  /** They are durable here. */
  eventsTaken(events: readonly RecordedEvent[]): void;
  readonly contentType: string;
  render(): Promise<string>;
};

/** Read when the metrics are: nothing is kept twice. */
export type MetricsSources = {
  /** Unix milliseconds. */
  readonly certificateExpiresAtMs?: () => number;
  readonly connections?: () => readonly ConnectionLoad[];
};

export function createMetrics(report: () => ServerReport, sources: MetricsSources = {}): Metrics {
  const { certificateExpiresAtMs, connections = () => [] } = sources;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const answered = logins(registry);
  const duration = loginDuration(registry);
  const eventsTaken = events(registry);
  // One look for all of them: it asks files and databases.
  let seen: ServerReport | undefined;
  const look = () => {
    seen ??= report();
    return seen;
  };
  for (const gauge of [serverInfo, serverState, connectedDevices, generation, behind, journal, isolation, directories])
    gauge(registry, look);
  database(registry, look, connections);
  if (certificateExpiresAtMs !== undefined) certificateExpiry(registry, certificateExpiresAtMs);
  return {
    loginAnswered(outcome, durationMs) {
      answered(outcome);
      duration(durationMs);
    },
    eventsTaken,
    contentType: registry.contentType,
    render() {
      seen = undefined;
      return registry.metrics();
    },
  };
}
