// `npm run demo [-- --full | --half] [--stay]`: the whole chain as a story, with real processes on this machine. Ends with a table
// of what was expected and what happened, and with exit code 1 if they differ anywhere. `--full` has a real database for each
// server, by replication, `--half` one for both; else it is the embedded one. `--stay` leaves everything running until Ctrl-C.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createScratch } from '../test/support/scratch.ts';
import { createSite } from '../test/support/site.ts';
import { readHospital } from './demo/hospital.ts';
import { howToPlayOn } from './demo/play-on.ts';
import { needsDatabases, startDatabases, tellRedundantStory } from './demo/redundant-story.ts';
import { tellStory } from './demo/story.ts';
import { createTeller, isRight, table } from './demo/teller.ts';

/** Node ends when nothing is left to wait for: with `--stay` there is always this. */
const STAY_TICK_MS = 60_000;

process.chdir(join(import.meta.dirname, '..'));
process.exitCode = await main();

async function main(): Promise<number> {
  const options = readArguments();
  if (options === undefined) return 2;
  const lacking = options.redundancy && needsDatabases();
  if (lacking) {
    console.error(lacking);
    return 4;
  }

  // Ctrl-C at any time ends all processes and removes the folder.
  await using scratch = createScratch('thinman-demo-');
  const startedMs = performance.now();
  const teller = createTeller(line => console.log(line));
  const hospital = readHospital(globSync('examples/hospital/*.yaml').toSorted());
  await using databases = options.redundancy && (await startDatabases(options.redundancy, scratch.folder));
  const site = await createSite({ ...scratch, ...databases?.urls });
  let stopped: unknown;
  try {
    if (databases === undefined) await tellStory(teller, site, hospital);
    else await tellRedundantStory(teller, site, hospital, databases);
  } catch (error) {
    stopped = error;
  }

  const { steps } = teller;
  const wrong = steps.filter(step => !isRight(step));
  console.log(`\n${table(steps)}\n`);
  if (stopped !== undefined) console.error('The story could not go on:', stopped);
  if (stopped !== undefined || wrong.length > 0) {
    console.error(`${wrong.length} of ${steps.length} steps differ from what was expected.`);
    return 1;
  }
  console.log(`All ${steps.length} steps as expected, in ${Math.round((performance.now() - startedMs) / 1000)} s.`);
  if (options.stay) {
    console.log(howToPlayOn(site, hospital));
    await new Promise(() => setInterval(() => {}, STAY_TICK_MS));
  }
  return 0;
}

type Options = { readonly stay: boolean; readonly redundancy: 'half' | 'full' | undefined };

function readArguments(): Options | undefined {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const { stay, full, half } = parseArgs({ options: { stay: flag, full: flag, half: flag } }).values;
    if (full && half) throw new Error('--full and --half are two stories: one at a time');
    return { stay, redundancy: full ? 'full' : half ? 'half' : undefined };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\nUse: npm run demo [-- --full | --half] [--stay]`);
    return undefined;
  }
}
