// `npm test -- [--no-check] [PATTERN...]`: static checks, then all test files (or those whose path has one of the patterns in
// it), first the fast ones, then those with real processes. The last line is `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { countLeftOut, countSkipped, type LeftOut, leftOut, provide } from './machine-needs.ts';
import { NO_TESTS, runTests, type TestRun, type Totals } from './test-run.ts';

/** In this order; a file belongs to the last one that has it. */
const PHASES: readonly (TestRun & { readonly name: string; readonly has: RegExp })[] = [
  // Two: the machines that build this have two cores.
  { name: 'fast', has: /^/, concurrency: 2 },
  // Two: they wait for most of their time, and hold nothing against a clock that is near.
  { name: 'system', has: /^test\/system\//, concurrency: 2 },
  // One: these hold people's waits, or a whole story, against their deadlines; or write where another one writes (`/run/userdb`).
  {
    name: 'deadlines',
    has: /^test\/(?:console\/|bench\/|system\/(?:demo|every-server-gone|many-devices|nemesis|pam-password|planned-stop|primary-|sessions))/,
    concurrency: 1,
  },
  { name: 'database', has: /^test\/(?:.*\/)?databases?\//, concurrency: 2 },
  // One: what a wire does to those who wait is what is tested, and three databases agree on every commit.
  { name: 'network', has: /^test\/(?:.*\/)?network\//, concurrency: 1 },
  { name: 'galera', has: /^test\/.*galera/, concurrency: 1 },
  { name: 'mysql9', has: /^test\/(?!network\/).*mysql9/, concurrency: 2 },
];

const IS_CI = process.env.CI === 'true';

process.chdir(`${import.meta.dirname}/..`);
process.exitCode = await main();

async function main(): Promise<number> {
  const options = readArguments();
  if (options === undefined) return 2;
  if (options.check && spawnSync(process.execPath, ['scripts/check.ts'], { stdio: 'inherit' }).status !== 0) return 1;

  const selected = select(options.patterns);
  let totals = NO_TESTS;
  for (const phase of PHASES) {
    const files = selected.filter(file => PHASES.findLast(({ has }) => has.test(file)) === phase);
    if (files.length === 0) continue;
    console.log(`\n— ${phase.name}: ${files.length} files`);
    const startedMs = performance.now();
    provide(files);
    const absent = leftOut(files);
    report(absent);
    totals = add(totals, countLeftOut(absent, IS_CI));
    const runnable = files.filter(file => !absent.some(lack => lack.file === file));
    if (runnable.length > 0) totals = add(totals, countSkipped(await run(runnable, phase), IS_CI));
    console.log(`— ${phase.name}: ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }

  if (totals.passed + totals.failed === 0) console.error('\nNo test ran: no test file fits, or all were skipped.');
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

async function run(files: readonly string[], phase: TestRun): Promise<Totals> {
  const totals = await runTests(files, phase);
  if (IS_CI && totals.skipped > 0)
    console.error(`!!! NOT RUN: ${totals.skipped} skipped (﹣ above), which is failed in CI`);
  return totals;
}

function readArguments(): { check: boolean; patterns: string[] } | undefined {
  try {
    const { values, positionals } = parseArgs({ options: { 'no-check': { type: 'boolean' } }, allowPositionals: true });
    return { check: values['no-check'] !== true, patterns: positionals };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\nUse: npm test -- [--no-check] [PATTERN...]`);
    return undefined;
  }
}

function select(patterns: readonly string[]): readonly string[] {
  return globSync('{packages,scripts,test}/**/*.test.ts', { exclude: ['**/node_modules', '**/dist'] })
    .filter(file => patterns.length === 0 || patterns.some(pattern => file.includes(pattern)))
    .toSorted();
}

function report(absent: readonly LeftOut[]): void {
  for (const { file, lacks } of absent) {
    console.error(`!!! NOT RUN: ${file} needs ${lacks.map(({ name }) => name).join(', ')}`);
  }
}

function add(a: Totals, b: Totals): Totals {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}
