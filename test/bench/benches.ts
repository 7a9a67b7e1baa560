import type { Bench } from './bench.ts';

export type BenchEntry = {
  readonly name: string;
  /** Only when it is named: it measures what is not ours, and needs packages for that. */
  readonly onlyByName?: true;
  /** Loaded when it is run: an unfinished bench breaks no other. */
  load(): Promise<Bench>;
};

/**
 * In the order in which `npm run bench` runs them. What NAME needs of the machine follows from `test/bench/NAME.ts`
 * (scripts/machine-needs.ts).
 */
export const BENCHES: readonly BenchEntry[] = [
  { name: 'login', load: async () => (await import('./login.ts')).login },
  { name: 'login-storm', load: async () => (await import('./login-storm.ts')).loginStorm },
  { name: 'failover', load: async () => (await import('./failover.ts')).failover },
  { name: 'offline', load: async () => (await import('./offline.ts')).offline },
  { name: 'herd', load: async () => (await import('./herd.ts')).herd },
  { name: 'fanout', load: async () => (await import('./fanout.ts')).fanout },
  { name: 'narrow', load: async () => (await import('./narrow.ts')).narrow },
  { name: 'resolve', load: async () => (await import('./resolve.ts')).resolve },
  { name: 'sync', load: async () => (await import('./sync.ts')).sync },
  { name: 'memory-server', load: async () => (await import('./memory-server.ts')).memoryServer },
  { name: 'memory-agent', load: async () => (await import('./memory-agent.ts')).memoryAgent },
  { name: 'events', load: async () => (await import('./events.ts')).events },
  { name: 'scale', load: async () => (await import('./scale.ts')).scale },
  { name: 'deployment', load: async () => (await import('./deployment.ts')).deployment },
  { name: 'peers', onlyByName: true, load: async () => (await import('./peers.ts')).peers },
];

/** Those of these names; of none: all but those that want to be named. */
export const chosenBenches = (names: readonly string[]): readonly BenchEntry[] =>
  BENCHES.filter(({ name, onlyByName = false }) => (names.length === 0 ? !onlyByName : names.includes(name)));
