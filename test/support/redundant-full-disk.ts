// Row 18 of failover.md on HALF and FULL: servers whose disks are full, and whose way around them leads to a database that hangs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseKind, DatabaseServer } from './databases/database-server.ts';
import { canMountDisk, NO_DISK, type SmallDisk } from './disk.ts';
import { fillUp, ownDisk, reportOf, untilReport, untilReserved } from './full-disk.ts';
import { expectLogin, inWords } from './logins.ts';
import { expectHealed, SERVER_SETTINGS, whileLoggingIn } from './redundant-faults.ts';
import { surroundHalf } from './redundant-site.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';
import { onSiteIn, type Surroundings } from './system-test.ts';
import { waitFor } from './wait.ts';
import { ALICE, BOB } from './ward.ts';

export const OPTIONS = { agents: ['tc-1', 'tc-2'], serverSettings: SERVER_SETTINGS };
/** Why this cannot run here. */
export const skip = canMountDisk() ? false : NO_DISK;

type Disks = { readonly primary: SmallDisk; readonly secondary: SmallDisk };

/** `surround`, with the data folder of each server on a small disk of its own. */
export async function withDisks<S extends Surroundings>(folder: string, surround: (folder: string) => Promise<S>) {
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
export async function exhaust(site: Site, server: Server, disk: SmallDisk, path: 'direct' | 'nowhere'): Promise<void> {
  const tc1 = site.agent('tc-1');
  await waitFor(`${server.name} to have no room at all for its journal`, async () => {
    // A way around that was taken before (for a lock that this very test held) says nothing of the disk.
    const before = (await reportOf(server)).journal;
    fillUp(server, disk);
    assert.match(inWords(await tc1.login(ALICE.name, ALICE.password)), /^granted (?:online|degraded) by/);
    const { journal } = await reportOf(server);
    return journal?.path === path && before?.reserveBytes === 0 ? true : undefined;
  });
}

/** The same on both. `record`: the database that is written to; `other`: what the Secondary is when that hangs. */
export async function fullDisks(
  site: Site,
  disks: Disks,
  record: DatabaseServer,
  other: 'serving' | 'degraded',
): Promise<void> {
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
  // A login that could not be written down may have told the Primary sooner than time tells the other one.
  await untilReport(secondary, `to be ${other}`, ({ state }) => state === other);
  const byTheOther = `granted ${other === 'serving' ? 'online' : other} by secondary`;
  await expectLogin(tc1, BOB, byTheOther);
  await expectLogin(tc1, ALICE, byTheOther);

  record.thaw();
  disks.primary.free();
  await untilReport(primary, 'to have its journal again', ({ journal }) => journal?.path === 'journal');
  await untilReserved(primary);
  await expectHealed(site);
  await expectLogin(tc1, ALICE, 'granted online by primary');
}

/** On HALF. */
export const fullDiskOnHalf = (kind: DatabaseKind) =>
  test(`HALF on ${kind}: row 18: the Primary has no room, then the database hangs`, { skip }, () =>
    onSiteIn(
      folder => withDisks(folder, at => surroundHalf(at, kind)),
      OPTIONS,
      (site, { disks, database }) => whileLoggingIn(site, () => fullDisks(site, disks, database, 'degraded')),
    ),
  );
