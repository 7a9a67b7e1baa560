// One run of Node's test runner, each file in a process of its own, with the counts that it ends on.
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { CI_SEED } from '../test/support/ci-seed.ts';

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NO_TESTS: Totals = { passed: 0, failed: 0, skipped: 0 };

export interface TestRun {
  /** How many files run at the same time. */
  readonly concurrency: number;
}

/** A build tries the same random cases each time: `test/support/ci-seed.ts`. */
const IS_CI = process.env.CI === 'true';
const SEEDED = IS_CI ? [`--import=${import.meta.resolve('../test/support/ci-seed.ts')}`] : [];
const SEEDS = IS_CI ? { THINMAN_FUZZ_SEED: String(CI_SEED) } : {};

/** For one test that does not set its own: all faults on one site of real databases take two minutes on a quiet machine. */
const TEST_TIMEOUT_MS = 480_000;
/** Above the longest time that one test may take. A file that left something open would run for ever. */
const SILENCE_MS = 600_000;

/**
 * Each file is a process that loads the same sources: their types are stripped once, which is a third of what a small file
 * costs. Node keys it by content; `npm ci` takes it away.
 */
const COMPILE_CACHE = 'node_modules/.cache/compile';

/** Runs the files and prints as the `spec` reporter does. A file that holds no test counts as failed. */
export async function runTests(files: readonly string[], { concurrency }: TestRun): Promise<Totals> {
  const stop = new AbortController();
  let signal: NodeJS.Signals | undefined;
  const onSignal = (received: NodeJS.Signals) => {
    signal = received;
    stop.abort();
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const silence = setTimeout(() => {
    console.error(
      `\nNothing happened for ${SILENCE_MS / 60_000} minutes: what still runs is ended. Does a test leave something open?`,
    );
    stop.abort();
  }, SILENCE_MS);

  const stream = run({
    files: [...files],
    concurrency,
    timeout: TEST_TIMEOUT_MS,
    execArgv: ['--conditions=source', ...SEEDED],
    env: { ...SEEDS, ...process.env, NODE_COMPILE_CACHE: resolve(COMPILE_CACHE) },
    signal: stop.signal,
  });
  const withTests = new Set<string>();
  const passedFiles = new Set<string>();
  let totals = NO_TESTS;
  stream.on('data', () => silence.refresh());
  stream.on('test:pass', ({ name, nesting }) => nesting === 0 && passedFiles.add(name));
  stream.on('test:summary', ({ file, counts, success }) => {
    if (file !== undefined) withTests.add(relative('', file));
    else {
      const { tests, passed, skipped, todo } = counts;
      // A suite whose own hook failed is a failure without a test.
      const failed = Math.max(tests - passed - skipped - todo, success ? 0 : 1);
      totals = { passed, failed, skipped: skipped + todo };
    }
  });
  for await (const text of stream.compose(new spec())) process.stdout.write(text);

  clearTimeout(silence);
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  if (signal !== undefined) process.kill(process.pid, signal);

  // The runner counts a file without a test as one test, passed.
  const empty = files.filter(file => passedFiles.has(file) && !withTests.has(file));
  for (const file of empty) console.error(`✖ ${file} holds no test`);
  return { ...totals, passed: totals.passed - empty.length, failed: totals.failed + empty.length };
}
