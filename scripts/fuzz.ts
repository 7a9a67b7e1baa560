// `npm run fuzz -- --minutes N [--seed S] [--target NAME]`: random and mutated input for everything that listens. Rounds of all
// targets, each round with the next seed and fresh sites, until the time is over. Ends with 1 at the first wrong answer.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Found, fuzz, heapMib, TARGETS } from '../test/fuzz/fuzz.ts';

/** Enough of one site to see what adds up in it. */
const RUNS = 2_000;
const MS_PER_MINUTE = 60_000;
const DEFAULT_MINUTES = '3';

process.exitCode = await main();

async function main(): Promise<number> {
  const values = readArguments();
  const minutes = Number(values?.minutes ?? DEFAULT_MINUTES);
  const first = Number(values?.seed ?? randomInt(2 ** 30));
  const targets = TARGETS.filter(({ name }) => values?.target === undefined || name === values.target);
  if (values === undefined || !(minutes > 0) || !Number.isSafeInteger(first) || targets.length === 0) {
    const names = TARGETS.map(({ name }) => name).join(', ');
    console.error(`Use: npm run fuzz -- --minutes N [--seed S] [--target NAME], with one of ${names}`);
    return 2;
  }
  const endMs = performance.now() + minutes * MS_PER_MINUTE;
  let runs = 0;
  for (let seed = first; performance.now() < endMs; seed++) {
    for (const target of targets) {
      if (performance.now() >= endMs) break;
      try {
        await fuzz(target, { seed, runs: RUNS });
      } catch (error) {
        console.error(error instanceof Found ? error.message : error);
        return 1;
      }
      runs += RUNS;
    }
    console.log(`seed ${seed}: nothing found; ${runs} inputs so far, ${heapMib().toFixed(0)} MiB in use`);
  }
  return 0;
}

/** undefined: there is an option that is none of these. */
function readArguments() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ options: { minutes: text, seed: text, target: text } }).values;
  } catch {
    return undefined;
  }
}
