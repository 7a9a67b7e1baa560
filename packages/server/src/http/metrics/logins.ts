import { Counter, type Registry } from 'prom-client';

export function logins(registry: Registry): (outcome: string) => void {
  const counter = new Counter({
    name: 'thinman_logins_total',
    help: 'Logins answered, by outcome: granted, or the code of the problem',
    labelNames: ['outcome'],
    registers: [registry],
  });
  return outcome => counter.inc({ outcome });
}
