import type { ServerReport, ServerStatus } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

const STATES: readonly ServerStatus['state'][] = ['serving', 'degraded', 'draining', 'unavailable'];

export function serverState(registry: Registry, report: () => ServerReport): void {
  new Gauge({
    name: 'thinman_server_state',
    help: '1 for the state in which this server is, 0 for the others',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const now = report().state;
      for (const state of STATES) this.set({ state }, Number(state === now));
    },
  });
  new Gauge({
    name: 'thinman_server_state_reason',
    help: '1 for the reason why this server is not serving; none while it is',
    labelNames: ['why'],
    registers: [registry],
    collect() {
      const { why } = report();
      this.reset();
      if (why !== undefined) this.set({ why }, 1);
    },
  });
}
