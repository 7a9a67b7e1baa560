import type { ServerStatus } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

const STATES: readonly ServerStatus['state'][] = ['serving', 'degraded', 'draining', 'unavailable'];

export function serverState(registry: Registry, status: () => ServerStatus): void {
  new Gauge({
    name: 'thinman_server_state',
    help: '1 for the state in which this server is, 0 for the others',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const now = status().state;
      for (const state of STATES) this.set({ state }, Number(state === now));
    },
  });
}
