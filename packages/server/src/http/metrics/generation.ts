import type { ServerStatus } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

export function generation(registry: Registry, status: () => ServerStatus): void {
  new Gauge({
    name: 'thinman_generation',
    help: 'Generation of the objects that this server serves, by epoch of the site',
    labelNames: ['epoch'],
    registers: [registry],
    collect() {
      const now = status();
      this.reset();
      this.set({ epoch: String(now.epoch) }, now.generation);
    },
  });
  new Gauge({
    name: 'thinman_epoch',
    help: 'Epoch of the site as this server knows it: another one than elsewhere is a promotion or a restore that has not arrived',
    registers: [registry],
    collect() {
      this.set(status().epoch);
    },
  });
}
