// Loaded before each test file under CI: random tests try the same cases there each time. What a random case shows is then the
// fault of the change that is built, and whoever repeats the build sees it too. Everywhere else each run tries new ones.
import { readFileSync } from 'node:fs';

/** Any will do, as long as it stays. */
export const CI_SEED = 20_261_127;

const [, file] = process.argv;
// Loading it costs a small test file half of its time.
if (file !== undefined && readFileSync(file, 'utf8').includes("from 'fast-check'")) {
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: CI_SEED });
}
