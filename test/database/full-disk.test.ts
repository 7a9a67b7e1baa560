import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { canMountDisk, NO_DISK, type SmallDisk } from '../support/disk.ts';
import { fillUp, ownDisk, reportOf, untilReport, untilReserved } from '../support/full-disk.ts';
import { expectLogin, inWords } from '../support/logins.ts';
import { expectHealed, SERVER_SETTINGS, whileLoggingIn } from '../support/redundant-faults.ts';
import { surroundFull, surroundHalf } from '../support/redundant-site.ts';
import type { Server } from '../support/server-commands.ts';
import type { Site } from '../support/site.ts';
import { onSiteIn, type Surroundings } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

const OPTIONS = { agents: ['tc-1', 'tc-2'], serverSettings: SERVER_SETTINGS };
const skip = canMountDisk() ? false : NO_DISK;

type Disks = { readonly primary: SmallDisk; readonly secondary: SmallDisk };

/** `surround`, with the data folder of each server on a small disk of its own. */
async function withDisks<S extends Surroundings>(folder: string, surround: (folder: string) => Promise<S>) {
  const disks = { primary: diskOf(folder, 'primary'), secondary: diskOf(folder, 'secondary') };
  const free = () => {
    for (const disk of Object.values(disks)) disk[Symbol.dispose]();
  };
  try {
    const around = await surround(folder);
    return {
      ...{ ...around, disks },
      async [Symbol.asyncDispose]() {
        await around[Symbol.asyncDispose]();
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

function diskOf(folder: string, name: string): SmallDisk {
  const disk = ownDisk(folder, name);
  assert.ok(disk !== undefined, NO_DISK);
  return disk;
}

/** Fills the disk of `server` until it says so; people log in all the while. */
async function exhaust(site: Site, server: Server, disk: SmallDisk, path: 'direct' | 'nowhere'): Promise<void> {
  const tc1 = site.agent('tc-1');
  await waitFor(`${server.name} to have no room at all for its journal`, async () => {
    fillUp(server, disk);
    assert.match(inWords(await tc1.login(ALICE.name, ALICE.password)), /^granted (?:online|degraded) by/);
    // Not by a lock that something else held for a moment: nothing is left of the room that is kept.
    const { journal } = await reportOf(server);
    return journal?.path === path && journal.reserveBytes === 0 ? true : undefined;
  });
}

/** The same on both: what the servers stand on is told by `record`, the database that is written to. */
async function fullDisks(site: Site, disks: Disks, record: DatabaseServer, byTheOther: string): Promise<void> {
  const { primary, secondary } = site;
  const tc1 = site.agent('tc-1');
  await Promise.all([untilReserved(primary), untilReserved(secondary)]);
  await expectLogin(tc1, BOB, 'granted online by primary');

  // With the database there: straight to it, and nobody notices.
  await exhaust(site, primary, disks.primary, 'direct');
  await expectLogin(tc1, BOB, 'granted online by primary');
  assert.equal((await reportOf(primary)).state, 'serving');

  // Without it: no grant that nothing is written of. The other server has room.
  await record.freeze();
  await untilReport(primary, 'to be degraded or unavailable', ({ state }) => state !== 'serving');
  await expectLogin(tc1, BOB, byTheOther);
  await expectLogin(tc1, ALICE, byTheOther);

  record.thaw();
  disks.primary.free();
  await untilReport(primary, 'to have its journal again', ({ journal }) => journal?.path === 'journal');
  await untilReserved(primary);
  await expectHealed(site);
  await expectLogin(tc1, ALICE, 'granted online by primary');
}

test('HALF on mariadb: row 18: the Primary has no room, then the database hangs', { skip }, () =>
  onSiteIn(
    folder => withDisks(folder, surroundHalf),
    OPTIONS,
    (site, { disks, database }) =>
      whileLoggingIn(site, () => fullDisks(site, disks, database, 'granted degraded by secondary')),
  ),
);

test(
  'FULL on mariadb: row 18: the Primary has no room, then its Master hangs; then the Secondary has none',
  { skip },
  () =>
    onSiteIn(
      folder => withDisks(folder, surroundFull),
      OPTIONS,
      (site, { disks, pair }) =>
        whileLoggingIn(site, async () => {
          await fullDisks(site, disks, pair.master, 'granted online by secondary');

          // The Secondary's way around its journal leads to the Master, which hangs: nobody grants there what nobody writes down.
          const tc1 = site.agent('tc-1');
          await pair.master.freeze();
          await exhaust(site, site.secondary, disks.secondary, 'nowhere');
          await expectLogin(tc1, BOB, 'granted degraded by primary');
          pair.master.thaw();
          disks.secondary.free();
          await untilReport(site.secondary, 'to have its journal again', ({ journal }) => journal?.path === 'journal');
          await expectHealed(site);
        }),
    ),
);
