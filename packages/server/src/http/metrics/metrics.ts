import type { ServerReport } from '@thinman/protocol';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { behind } from './behind.ts';
import { certificateExpiry } from './certificate-expiry.ts';
import { connectedDevices } from './connected-devices.ts';
import { generation } from './generation.ts';
import { journal } from './journal.ts';
import { loginDuration } from './login-duration.ts';
import { logins } from './logins.ts';
import { serverState } from './server-state.ts';

/** What a server counts, and what it tells when it is asked (`GET /metrics`). One file a subject. */
export type Metrics = {
  /** `outcome`: `granted`, or the code of the problem. */
  loginAnswered(outcome: string, durationMs: number): void;
  readonly contentType: string;
  render(): Promise<string>;
};

/** Both are read when the metrics are: nothing is kept twice. `certificateExpiresAtMs`: Unix milliseconds. */
export function createMetrics(report: () => ServerReport, certificateExpiresAtMs?: () => number): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const answered = logins(registry);
  const duration = loginDuration(registry);
  // One look for all of them: it asks files and databases.
  let seen: ServerReport | undefined;
  const look = () => {
    seen ??= report();
    return seen;
  };
  for (const gauge of [connectedDevices, journal, behind, generation, serverState]) gauge(registry, look);
  if (certificateExpiresAtMs !== undefined) certificateExpiry(registry, certificateExpiresAtMs);
  return {
    loginAnswered(outcome, durationMs) {
      answered(outcome);
      duration(durationMs);
    },
    contentType: registry.contentType,
    render() {
      seen = undefined;
      return registry.metrics();
    },
  };
}
