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
export const BENCHES: readonly BenchEntry[] = [{ name: 'login', load: async () => (await import('./login.ts')).login }];
