// Those benches that need networks of their own (scripts/machine-needs.ts knows this file by its path).
import { benchTest } from './support/bench-test.ts';

benchTest({
  failover: ['killed', 'hung', 'blackholed'].flatMap(fault => [`failover.${fault}`, `failover.${fault}.steady`]),
  'memory-agent': ['resident', 'proportional', 'cpu', 'bytes'].map(what => `memory-agent.${what}`),
});
