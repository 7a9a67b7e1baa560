// `npm test -- [--no-check] [PATTERN...]`: static checks, then all test files (or those whose path has one of the patterns in
// it), first the fast ones, then real processes one after the other. The last line is `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { installPackages, leftOut } from './debian-packages.ts';
import { NO_TESTS, runTests, type TestRun, type Totals } from './test-run.ts';

/** Real processes, databases and browsers; every other test file is fast. */
const SYSTEM = /^test\/(?:system|console)\//;

const PHASES: readonly (TestRun & { readonly name: string; readonly has: (file: string) => boolean })[] = [
  // Two: the machines that build this have two cores.
  { name: 'fast', has: file => !SYSTEM.test(file), concurrency: 2 },
  // One: these measure how long people wait, and each starts several processes.
  { name: 'system', has: file => SYSTEM.test(file), concurrency: 1 },
];

process.chdir(`${import.meta.dirname}/..`);
process.exitCode = await main();

async function main(): Promise<number> {
  const options = readArguments();
  if (options === undefined) return 2;
  if (options.check && spawnSync(process.execPath, ['scripts/check.ts'], { stdio: 'inherit' }).status !== 0) return 1;

  const selected = select(options.patterns);
  let totals = NO_TESTS;
  for (const phase of PHASES) {
    const files = selected.filter(phase.has);
    if (files.length === 0) continue;
    console.log(`\n— ${phase.name}: ${files.length} files`);
    const absent = lackingPackages(files);
    const runnable = files.filter(file => !absent.some(lack => lack.file === file));
    if (process.env.CI === 'true') totals = add(totals, { passed: 0, failed: absent.length, skipped: 0 });
    else totals = add(totals, { passed: 0, failed: 0, skipped: absent.length });
    if (runnable.length > 0) totals = add(totals, await runTests(runnable, phase));
  }

  if (totals.passed + totals.failed === 0) console.error('\nNo test ran: no test file fits, or all were skipped.');
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
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

/** The files that still cannot run after an attempt to install what they need. */
function lackingPackages(files: readonly string[]) {
  const packages = leftOut(files).flatMap(lack => lack.packages);
  if (packages.length > 0) installPackages([...new Set(packages)]);
  const absent = leftOut(files);
  for (const { file, packages } of absent) {
    console.error(`!!! NOT RUN: ${file} needs the Debian packages ${packages.join(', ')} (as root: apt-get install)`);
  }
  return absent;
}

function add(a: Totals, b: Totals): Totals {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}
