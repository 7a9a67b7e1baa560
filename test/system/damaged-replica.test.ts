import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { replicaDifferences } from '../support/crash-points-audit.ts';
import { scribble, spoilPage } from '../support/disk-damage.ts';
import { expectLogin } from '../support/logins.ts';
import { freePort } from '../support/loopback.ts';
import type { Processes } from '../support/processes.ts';
import { createServerCommands, type Server } from '../support/server-commands.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, profile } from '../support/ward.ts';

// A server's copy of the objects is damaged, while it is stopped and while it runs: it is made whole from the source of record,
// and people get in all the while.

type Damage = (replica: string, other: string) => void;

/** `other`: the replica of another site. */
const DAMAGES: Readonly<Record<string, Damage>> = {
  garbage: scribble,
  'zero bytes': replica => truncateSync(replica, 0),
  missing: replica => rmSync(replica),
  'a folder in its place': replica => [rmSync(replica), mkdirSync(replica)],
  'a bad page': replica => spoilPage(replica, 'objects'),
  'of a newer format': replica => edit(replica, 'PRAGMA user_version = 99'),
  'of another site': (replica, other) => copyFileSync(other, replica),
  'every page whole, one value not': replica =>
    edit(replica, `UPDATE objects SET body = '{"disabled":true}' WHERE kind = 'User'`),
};

systemTests(
  'a damaged replica is made whole again, and people get in all the while',
  {},
  {
    ...Object.fromEntries(
      Object.entries(DAMAGES).map(([what, damage]) => [
        `the Primary is stopped: ${what}`,
        async (site: Site, processes: Processes) => {
          const tc1 = site.agent('tc-1');
          const other = await otherSite(site, processes);
          await site.primary.stop();
          await expectLogin(tc1, ALICE, 'granted online by secondary');
          damage(replicaOf(site.primary), replicaOf(other));
          assert.match(await site.primary.start(), / state=serving$/);
          assert.deepEqual(differences(site, site.primary), []);
          if (what !== 'missing') assert.match(site.primary.process().stderr(), /the replica was unfit and set aside/);
          await waitUntilOn(tc1, site.primary);
        },
      ]),
    ),

    'the Secondary is stopped: garbage': async site => {
      await site.secondary.stop();
      scribble(replicaOf(site.secondary));
      assert.match(await site.secondary.start(), / state=serving$/);
      assert.deepEqual(differences(site, site.secondary), []);
    },

    'the Primary is stopped: garbage over its journal': async site => {
      await site.primary.stop();
      scribble(join(site.primary.data, 'journal.db'));
      assert.match(await site.primary.start(), / state=serving$/);
      assert.match(site.primary.process().stderr(), /"level":50.*the journal was damaged and set aside/);
      await waitUntilOn(site.agent('tc-1'), site.primary);
      await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
    },

    'the Primary runs: the file is taken away': site => whileRunning(site, site.primary, replica => rmSync(replica)),
    'the Secondary runs: the file is taken away': site =>
      whileRunning(site, site.secondary, replica => rmSync(replica)),
    'the Primary runs: garbage over all of it': site => whileRunning(site, site.primary, scribble),
    'the Primary runs: that of another site over it': async (site, processes) => {
      const other = await otherSite(site, processes);
      await whileRunning(site, site.primary, replica => copyFileSync(replicaOf(other), replica));
    },

    'the database is away, and the replica is lost: unavailable, and it says so, until the database is back':
      async site => {
        const { primary, secondary } = site;
        const tc1 = site.agent('tc-1');
        const record = join(primary.data, 'site.db');
        await primary.stop();
        renameSync(record, `${record}.away`);
        rmSync(replicaOf(primary));
        const ready = primary.start();
        const status = await primary.waitForStatus('to be unavailable', ({ state }) => state === 'unavailable');
        assert.equal(status.database.reachable, false);
        assert.match(primary.process().stderr(), /"state":"unavailable","why":"no_replica"/);
        await secondary.waitForStatus('to miss the database', ({ state }) => state === 'degraded');
        await expectLogin(tc1, ALICE, 'granted degraded by secondary');
        renameSync(`${record}.away`, record);
        assert.match(await ready, /^READY /);
        assert.deepEqual(differences(site, primary), []);
        await waitUntilOn(tc1, primary);
      },
  },
);

/** Noticed at the next look at the database; whatever is asked meanwhile is answered out of one site, by one of the servers. */
async function whileRunning(site: Site, server: Server, damage: (replica: string) => void): Promise<void> {
  const tc1 = site.agent('tc-1');
  damage(replicaOf(server));
  await expectLogin(tc1, ALICE, /^granted online by /);
  // Refused in the moment between noticing and mending: nothing of it was done, and it is asked again.
  await waitFor('a change to be taken', () =>
    site.apply(profile([`to-be-served-by-${server.name}`])).catch(() => undefined),
  );
  await waitFor(`${server.name} to have a whole replica`, () => (isWhole(site, server) ? true : undefined));
  assert.match(server.process().stderr(), /the replica turned out damaged and was set aside; it is whole again/);
  await expectLogin(tc1, ALICE, /^granted online by /);
  await waitUntilOn(tc1, site.primary);
}

function isWhole(site: Site, server: Server): boolean {
  try {
    return differences(site, server).length === 0;
  } catch {
    return false;
  }
}

const differences = (site: Site, server: Server) =>
  replicaDifferences(join(site.primary.data, 'site.db'), replicaOf(server));

const replicaOf = ({ data }: Server) => join(data, 'replica.db');

function edit(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

/** Made once: a Primary with nothing to do with this site, stopped. */
async function otherSite(site: Site, processes: Processes): Promise<Server> {
  const url = `https://127.0.0.1:${await freePort()}`;
  const data = join(site.folder, 'other');
  const other = createServerCommands(processes, 'other', data, url);
  if (readdirSync(site.folder).includes('other')) return other;
  const place = ['--data', data, '--name', 'other', '--listen', new URL(url).host, '--url', url];
  const { code, stderr } = await processes.run('thinman-server', ['init', ...place]);
  assert.equal(code, 0, stderr);
  await other.start();
  await other.stop();
  return other;
}
