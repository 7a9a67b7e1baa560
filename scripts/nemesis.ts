// `npm run nemesis [-- --minutes N] [--seed S] [--database mariadb|mysql] [--half] [--full] [--devices N]`: random faults of the fault
// table while devices log in (three real ones, and N light ones of `npm run fleet`), administrators write, users are disabled and change
// passwords; then the invariants of docs/failover.md. Without `--database` on the embedded one; with it FULL redundancy, or HALF with
// `--half`. `--full`: at the full length of every wait. `--broken`: with builds that are broken on purpose, one after the other; each
// must be found out.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { BROKEN_BUILDS, breakBuild, NEEDS_REPLICATION } from '../test/nemesis/broken-builds.ts';
import { Finding } from '../test/nemesis/history.ts';
import { DEFAULT_CROWD, type NemesisOptions, runNemesis } from '../test/nemesis/nemesis.ts';
import { createScratch } from '../test/support/scratch.ts';
import { leftOut, provide } from './machine-needs.ts';

const USE =
  'Use: npm run nemesis [-- --minutes N] [--seed S] [--database mariadb|mysql] [--half] [--full] [--devices N] [--broken]';
const DEFAULT_MINUTES = '3';
/** A test that needs the same databases, for what they need of the machine. */
const NEEDS_OF = { mariadb: 'test/database/full-faults.test.ts', mysql: 'test/mysql9/full-faults.test.ts' } as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readArguments();
  if (options === undefined) return 2;
  const { seed, minutes, database } = options;
  if (database !== undefined) {
    provide([NEEDS_OF[database]]);
    const lacks = leftOut([NEEDS_OF[database]]).flatMap(lack => lack.lacks.map(({ name }) => name));
    if (lacks.length > 0) {
      console.error(`${database} needs ${lacks.join(', ')}: install that, or run this as root on Debian`);
      return 4;
    }
  }
  if (options.broken) return findOutBroken();
  console.log(`nemesis: seed ${seed}, ${minutes} minutes`);
  try {
    const { faults, logins, events, writes } = await runNemesis(options);
    console.log(
      `nemesis: seed ${seed}: ${faults} faults, ${logins} logins, ${events} events, ${writes} writes: nothing found`,
    );
    return 0;
  } catch (error) {
    console.error(error instanceof Finding ? `nemesis: ${error.message}` : error);
    return 1;
  }
}

/** Each in a process of its own, which starts the commands of that build. */
async function findOutBroken(): Promise<number> {
  let missed = 0;
  for (const [name, edits] of Object.entries(BROKEN_BUILDS)) {
    await using scratch = createScratch('thinman-broken-');
    const env = { ...process.env, THINMAN_PACKAGES: breakBuild(scratch.folder, edits) };
    const given = process.argv.slice(2).filter(word => word !== '--broken');
    const more = NEEDS_REPLICATION.includes(name) && !given.includes('--database') ? ['--database', 'mariadb'] : [];
    const args = ['--conditions=source', import.meta.filename, ...given, ...more];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    const finding = /^nemesis: seed \d+: (.+)$/m.exec(stderr)?.[1];
    const isFound = status === 1 && finding !== undefined;
    if (!isFound) missed += 1;
    console.log(
      `${isFound ? 'found ' : 'MISSED'}  ${name}: ${finding ?? (stdout + stderr).trim().split('\n').slice(-5).join('\n')}`,
    );
  }
  return missed === 0 ? 0 : 1;
}

function readArguments(): (NemesisOptions & { readonly broken: boolean }) | undefined {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean', default: false } as const;
    const { values } = parseArgs({
      options: { minutes: text, seed: text, database: text, devices: text, half: flag, full: flag, broken: flag },
    });
    const minutes = Number(values.minutes ?? DEFAULT_MINUTES);
    const seed = Number(values.seed ?? randomInt(2 ** 31));
    const { database } = values;
    if (!(minutes > 0)) throw new Error(`--minutes ${values.minutes} is not a number above 0`);
    if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${values.seed} is not a whole number`);
    if (database !== undefined && database !== 'mariadb' && database !== 'mysql')
      throw new Error(`--database ${database} is neither mariadb nor mysql`);
    const devices = Number(values.devices ?? DEFAULT_CROWD);
    if (!Number.isInteger(devices) || devices < 0) throw new Error(`--devices ${values.devices} is not a whole number`);
    if (values.half && database === undefined) throw new Error('--half needs a --database');
    return {
      ...{
        broken: values.broken,
        minutes,
        seed,
        database,
        devices,
        fullLength: values.full,
        redundancy: values.half ? 'half' : 'full',
      },
      say: line => console.log(`  ${line}`),
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USE}`);
    return undefined;
  }
}
