import type { Bench } from './bench.ts';

export type BenchEntry = {
  readonly name: string;
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
  { name: 'herd', load: async () => (await import('./herd.ts')).herd },
  { name: 'fanout', load: async () => (await import('./fanout.ts')).fanout },
  { name: 'narrow', load: async () => (await import('./narrow.ts')).narrow },
  { name: 'memory-server', load: async () => (await import('./memory-server.ts')).memoryServer },
  { name: 'scale', load: async () => (await import('./scale.ts')).scale },
];
