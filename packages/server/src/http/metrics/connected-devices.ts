import type { ServerStatus } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

export function connectedDevices(registry: Registry, status: () => ServerStatus): void {
  new Gauge({
    name: 'thinman_connected_devices',
    help: 'Devices with an open channel to this server',
    registers: [registry],
    collect() {
      this.set(status().connectedDevices);
    },
  });
}
