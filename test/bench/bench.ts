// What a bench is. `npm run bench` (scripts/bench.ts) runs those of benches.ts; docs/benchmarks.md explains each figure.
import type { Processes } from '../support/processes.ts';

/**
 * `small`: the same work, as little of it as shows that it is done right; its numbers mean nothing. `full`: longer than the normal
 * one, where a figure needs that.
 */
export type Size = 'small' | 'normal' | 'full';

/** One number beside what the machine allows at best, both measured in the same run. All numbers are finite. */
export type Figure = {
  /** `BENCH.WHAT`, as `login.p50`. */
  readonly name: string;
  readonly value: number;
  /** Of `value` and of `floor`. */
  readonly unit: string;
  /** The raw floor: the same work with nothing of ours around it. */
  readonly floor: number;
  /** `value / floor`. */
  readonly ratio: number;
  /** What `value` has to reach, in words. */
  readonly target: string;
  readonly met: boolean;
  /** How far single measurements of `value` lie apart, in words; for the table alone. */
  readonly spread?: string;
};

export type BenchOptions = {
  readonly size: Size;
  /** Empty, this bench's own, and removed afterwards. */
  readonly folder: string;
  /** What is started with these is ended afterwards. */
  readonly processes: Processes;
  /** A line of progress, on stderr. */
  say(line: string): void;
};

export type Bench = {
  readonly name: string;
  /** One line: what is measured, against what. */
  readonly about: string;
  run(options: BenchOptions): Promise<readonly Figure[]>;
};

export type NewFigure = Omit<Figure, 'ratio'>;

/** Works out the ratio. A floor of nothing has none: then it is 0. */
export function figure(given: NewFigure): Figure {
  const { value, floor } = given;
  if (!Number.isFinite(value) || !Number.isFinite(floor)) throw new Error(`${given.name} is ${value} beside ${floor}`);
  return { ...given, ratio: floor > 0 ? value / floor : 0 };
}
