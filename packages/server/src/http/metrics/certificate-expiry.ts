import { Gauge, type Registry } from 'prom-client';

const MS_PER_SECOND = 1000;

/** `expiresAtMs`: Unix milliseconds. */
export function certificateExpiry(registry: Registry, expiresAtMs: () => number): void {
  new Gauge({
    name: 'thinman_certificate_expires_at_seconds',
    help: 'When the TLS certificate that this server shows expires, in seconds since 1970',
    registers: [registry],
    collect() {
      this.set(Math.floor(expiresAtMs() / MS_PER_SECOND));
    },
  });
}
