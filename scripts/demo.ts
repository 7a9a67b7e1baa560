// `npm run demo [-- --stay]`: the whole chain as a story, with real processes on this machine. Ends with a table of what was
// expected and what happened, and with exit code 1 if they differ anywhere. `--stay` leaves everything running until Ctrl-C.
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createProcesses } from '../test/support/processes.ts';
import { createSite } from '../test/support/site.ts';
import { readHospital } from './demo/hospital.ts';
import { howToPlayOn } from './demo/play-on.ts';
import { tellStory } from './demo/story.ts';
import { createTeller, isRight, table } from './demo/teller.ts';

const ENDING_SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

process.chdir(join(import.meta.dirname, '..'));
process.exitCode = await main();

async function main(): Promise<number> {
  const stay = readArguments();
  if (stay === undefined) return 2;
  const folder = mkdtempSync(join(tmpdir(), 'thinman-demo-'));
  const processes = createProcesses(join(folder, 'logs'), join(folder, 'home'));
  const signalled = Promise.withResolvers<number>();
  for (const [signal, code] of Object.entries(ENDING_SIGNALS)) process.once(signal, () => signalled.resolve(code));
  try {
    return await Promise.race([signalled.promise, demo(stay)]);
  } finally {
    await processes.endAll();
    rmSync(folder, { recursive: true, force: true });
  }

  async function demo(stayOn: boolean): Promise<number> {
    const startedMs = performance.now();
    const teller = createTeller(line => console.log(line));
    const hospital = readHospital(globSync('examples/hospital/*.yaml').toSorted());
    const site = await createSite({ folder, processes });
    let broken: unknown;
    try {
      await tellStory(teller, site, hospital);
    } catch (error) {
      broken = error;
    }
    // Ended by a signal: nothing more to tell.
    if (processes.isOver()) return 1;

    console.log(`\n${table(teller.steps)}\n`);
    const wrong = teller.steps.filter(step => !isRight(step));
    if (broken !== undefined || wrong.length > 0) {
      console.error(`${wrong.length} of ${teller.steps.length} steps differ from what was expected.`);
      if (broken !== undefined) console.error(broken);
      return 1;
    }
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    console.log(`All ${teller.steps.length} steps as expected, in ${seconds} s.`);
    if (!stayOn) return 0;
    console.log(howToPlayOn(site, hospital));
    return signalled.promise;
  }
}

function readArguments(): boolean | undefined {
  try {
    return parseArgs({ options: { stay: { type: 'boolean' } } }).values.stay === true;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\nUse: npm run demo [-- --stay]`);
    return undefined;
  }
}
