import type { DatabaseServer } from '../../test/support/databases/database-server.ts';
import { surroundFull, surroundHalf } from '../../test/support/redundant-site.ts';
import type { Server } from '../../test/support/server-commands.ts';
import type { Site, SiteOptions } from '../../test/support/site.ts';
import { hasProgram, installPackages } from '../debian-packages.ts';
import { CAST, type Hospital } from './hospital.ts';
import {
  loginsOf,
  nothingWasLost,
  type People,
  peopleLogIn,
  ready,
  theHospital,
  thinClients,
  told,
  twoServers,
  whereAll,
} from './story.ts';
import type { Teller } from './teller.ts';

/** Package and a program of it. */
const PACKAGES = [
  ['mariadb-server', 'mariadbd'],
  ['util-linux', 'setpriv'],
] as const;

/** Installs what the databases of the demo need, where it may; else says what to do. */
export function needsDatabases(): string | undefined {
  const lacks = () => PACKAGES.filter(([, program]) => !hasProgram(program)).map(([name]) => name);
  if (lacks().length > 0) installPackages(lacks());
  const missing = lacks().join(' ');
  return missing === '' ? undefined : `The redundant demo needs MariaDB: as root on Debian, apt-get install ${missing}`;
}

/** What an administrator makes when all is back. */
const NEW_GROUP = 'night-shift';

type Redundancy = 'half' | 'full';

export type DemoDatabases = AsyncDisposable & {
  readonly redundancy: Redundancy;
  readonly urls: Pick<SiteOptions, 'databases'>;
  /** The Primary's; in HALF the Secondary's as well. */
  readonly database: DatabaseServer;
};

export async function startDatabases(redundancy: Redundancy, folder: string): Promise<DemoDatabases> {
  const on = redundancy === 'full' ? await surroundFull(folder) : await surroundHalf(folder);
  return {
    redundancy,
    urls: on.databases === undefined ? {} : { databases: on.databases },
    database: 'pair' in on ? on.pair.master : on.database,
    [Symbol.asyncDispose]: on[Symbol.asyncDispose],
  };
}

/** The databases die, then the Primary, and all of it comes back. */
export async function tellRedundantStory(
  teller: Teller,
  site: Site,
  hospital: Hospital,
  { redundancy, database }: DemoDatabases,
): Promise<void> {
  const { kind, version } = database;
  const databases =
    redundancy === 'full' ? 'a Master for the Primary, a Slave for the Secondary' : 'one for both servers';
  teller.say(`${redundancy.toUpperCase()} redundancy on real databases, ${kind} ${version}: ${databases}.`);
  if (redundancy === 'full') {
    teller.say('What is written into the Master reaches the Slave by the replication of the databases themselves.');
  }
  await twoServers(teller, site);
  await theHospital(teller, site, hospital);
  await thinClients(teller, site);
  const people = loginsOf(site, hospital);
  await peopleLogIn(teller, people);
  await theDatabaseDies(teller, site, people, redundancy, database);
  await thePrimaryDiesToo(teller, site, people, redundancy);
  await bothComeBack(teller, site, people, database);
  await administrationWorksAgain(teller, site, redundancy);
  await nothingWasLost(teller, site);
}

async function theDatabaseDies(
  { chapter, say, step }: Teller,
  site: Site,
  people: People,
  redundancy: Redundancy,
  database: DatabaseServer,
) {
  const [{ device, user }] = CAST;
  chapter(redundancy === 'full' ? 'The Master database dies (kill -9)' : 'The only database dies (kill -9)');
  await database.kill();
  await step(`${user} logs in on ${device} at once`, 'granted', async () => {
    const { happened, ms } = told(await people.login(device, user));
    return { happened: happened.replace(/ .*/, ''), ms };
  });
  say(
    'degraded: its database is gone, so it serves from its own copy, and thin clients prefer a server that is serving.',
  );
  await step('The Primary says what it is now', 'degraded', async () => stateOf(site.primary, 'degraded'));
  if (redundancy === 'full') {
    say('The Secondary has a database of its own, the Slave, and all that it has heard of is in it.');
    await step('The Secondary lacks nothing', 'serving', async () => stateOf(site.secondary, 'serving'));
    await step('All thin clients move to it by themselves', 'online on secondary', () =>
      whereAll(site, site.secondary),
    );
  } else {
    await step('The Secondary has the same database', 'degraded', async () => stateOf(site.secondary, 'degraded'));
    say('Both serve from their own copies: nobody gains by moving, and nobody moves.');
  }
  const expected = redundancy === 'full' ? 'granted online by secondary' : 'granted degraded by primary';
  await step(`${user} logs in on ${device}`, expected, async () => told(await people.login(device, user)));
  await step('Administration is answered clearly', 'refused; names the database', async () => {
    const { code, stderr } = await site.primary.thinman(['token', 'device']);
    return code !== 0 && /database/i.test(stderr) ? 'refused; names the database' : `exit code ${code}: ${stderr}`;
  });
}

async function thePrimaryDiesToo({ chapter, step }: Teller, site: Site, people: People, redundancy: Redundancy) {
  const [{ device, user }, { device: otherDevice, user: other }] = CAST;
  chapter('The Primary dies too (kill -9)');
  await site.primary.kill();
  const expected = redundancy === 'full' ? 'granted online by secondary' : 'granted degraded by secondary';
  await step(`${user} logs in on ${device}`, expected, async () => told(await people.login(device, user)));
  await step(`${other} logs in on ${otherDevice}`, expected, async () => told(await people.login(otherDevice, other)));
}

async function bothComeBack({ chapter, step }: Teller, site: Site, people: People, database: DatabaseServer) {
  const [{ device, user }] = CAST;
  chapter('They come back');
  await step('The database starts again', 'answers', async () => {
    await database.restart();
    return 'answers';
  });
  await step('The Primary starts again', 'role=primary state=serving', async () => ready(await site.primary.start()));
  await step('All thin clients go back to it', 'online on primary', () => whereAll(site, site.primary));
  await step('Both servers have the same data', 'the same generation', async () => {
    const { generation } = await site.primary.status();
    await site.secondary.waitForStatus('to have it all', status => status.generation === generation);
    return 'the same generation';
  });
  await step(`${user} logs in on ${device}`, 'granted online by primary', async () =>
    told(await people.login(device, user)),
  );
}

async function administrationWorksAgain({ chapter, say, step }: Teller, site: Site, redundancy: Redundancy) {
  chapter('Administration works again');
  await step('thinman apply of one more user group', 'on the Primary', async () => {
    await site.apply(`kind: UserGroup\nname: ${NEW_GROUP}\nbody: {}\n`);
    return `on ${(await holders(site, [site.primary])).join(', ')}`;
  });
  if (redundancy === 'full')
    say('It was written into the Master; replication brings it into the Slave, which the Secondary reads.');
  const { generation } = await site.primary.status();
  await step('The change is on both servers', 'on the Primary, the Secondary', async () => {
    await site.secondary.waitForStatus('to have it', status => status.generation >= generation);
    return `on ${(await holders(site, site.servers)).join(', ')}`;
  });
}

/** Who of these servers gives the new group to an administrator who asks it. */
async function holders(site: Site, servers: readonly Server[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const server of servers) {
    if ((await server.get('UserGroup')).some(({ name }) => name === NEW_GROUP)) {
      found.push(server === site.primary ? 'the Primary' : 'the Secondary');
    }
  }
  return found;
}

async function stateOf(server: Server, wanted: string): Promise<string> {
  const { state } = await server.waitForStatus(`to be ${wanted}`, status => status.state === wanted);
  return state;
}
