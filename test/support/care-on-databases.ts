// What an operator does to look after a pair, on real databases: doctor, verify, backup, restore.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { findSecrets } from './canaries.ts';
import type { DatabaseKind } from './databases/database-server.ts';
import { expectLogin } from './logins.ts';
import { ACCOUNTS, surroundHalf, urlOf } from './redundant-site.ts';
import { fullTest, fullTests, halfTest } from './redundant-test.ts';
import { createScratch } from './scratch.ts';
import { createServerCommands, type Server } from './server-commands.ts';
import { createSite } from './site.ts';
import { FAST_TIMINGS } from './timings.ts';
import { doctorOn, expectClean } from './verified.ts';
import { waitFor } from './wait.ts';
import { ALICE, GROUP, WARD } from './ward.ts';

const GRANTS = {
  mariadb: 'GRANT SLAVE MONITOR ON *.* TO',
  mysql: 'GRANT REPLICATION CLIENT ON *.* TO',
} as const satisfies Record<DatabaseKind, string>;
/** Of every site whose recovery code nobody has shown; the reserve of the journal comes some seconds after a start. */
const ALWAYS = ['warn recovery code', 'warn journal reserve'];

const SECRET = 'the-password-of-the-directory';
const OTHER_SECRET = 'the-other-password-of-the-directory';
/** What a test gives a command to read. */
const isNoInput = ({ file }: { readonly file: string }) => basename(dirname(file)) !== 'input';

const beyond = (bad: readonly string[]) => bad.filter(one => !ALWAYS.includes(one));

export function careTests(kind: DatabaseKind): void {
  fullTests(
    'looked after',
    { kind },
    {
      'doctor says which right it lacks to see replication, and sees it with that': async (site, { pair }) => {
        const { primary, secondary } = site;
        await primary.waitForStatus('to be linked', ({ secondaries = [] }) =>
          secondaries.every(({ linked }) => linked),
        );
        const [first, second] = [await doctorOn(primary), await doctorOn(secondary)];
        assert.deepEqual([first.code, beyond(first.bad)], [0, []], JSON.stringify(first.checks));
        assert.deepEqual([second.code, beyond(second.bad)], [0, ['warn replication']], JSON.stringify(second.checks));
        const { sql = [] } = second.checks.find(({ check }) => check === 'replication') ?? {};
        assert.match(
          sql[0] ?? '',
          new RegExp(`^${GRANTS[kind].replaceAll('*', '\\*')} '${ACCOUNTS.secondary.user}'@'`),
        );
        await pair.master.rootScript(sql.join('\n'));
        await pair.waitUntilAligned();
        assert.deepEqual(beyond((await doctorOn(secondary)).bad), []);
      },
      'doctor fails a Slave that has stopped, and warns of one that others may write to': async (site, { pair }) => {
        await pair.slave.rootScript(kind === 'mysql' ? 'STOP REPLICA;' : 'STOP SLAVE;');
        const stopped = await doctorOn(site.secondary);
        assert.deepEqual(
          [stopped.code, beyond(stopped.bad)],
          [1, ['fail replication']],
          JSON.stringify(stopped.checks),
        );
        await pair.slave.rootScript(kind === 'mysql' ? 'START REPLICA;' : 'START SLAVE;');
        await pair.slave.setReadOnly(false);
        const open = await doctorOn(site.secondary);
        assert.deepEqual(beyond(open.bad), ['warn read-only'], JSON.stringify(open.checks));
        await pair.slave.setReadOnly(true);
      },
      'verify is clean on Master and Slave, whether the servers run or not': async site => {
        const { primary, secondary } = site;
        await expectLogin(site.agent('tc-1'), ALICE, /^granted online /);
        await expectClean(primary, secondary);
        await primary.stop();
        await secondary.stop();
        await expectClean(primary, secondary);
        await Promise.all([primary.start(), secondary.start()]);
      },
      'doctor fails a Master that is read-only, and one that is gone': async (site, { pair }) => {
        await pair.master.setReadOnly(true);
        const readOnly = await doctorOn(site.primary);
        assert.deepEqual([readOnly.code, beyond(readOnly.bad).includes('fail read-only')], [1, true]);
        await pair.master.setReadOnly(false);
        await pair.master.kill();
        const gone = await doctorOn(site.primary);
        assert.ok(gone.bad.includes('fail database'), JSON.stringify(gone.checks));
        const unverified = await site.primary.tend(['verify']);
        assert.deepEqual([unverified.code, unverified.stderr.trim().split('\n').length], [4, 1], unverified.stderr);
        await pair.master.restart();
        await site.primary.waitForStatus('to serve again', ({ state }) => state === 'serving');
      },
    },
  );

  fullTest(
    'secrets are sealed wherever they come, and sealed anew when a server is removed',
    { kind },
    async (site, on) => {
      const { primary, secondary } = site;
      const body = { type: 'ldap', urls: ['ldap://127.0.0.1:1'], baseDn: 'dc=canary-in-clear', bindPassword: SECRET };
      const directory = JSON.stringify({ kind: 'Directory', name: 'ldap', body });
      await site.apply(directory);
      await site.apply(directory.replace(SECRET, OTHER_SECRET));
      await on.pair.waitUntilAligned();
      await expectClean(secondary);
      const file = join(site.folder, 'site.backup');
      assert.equal((await primary.tend(['backup', file])).code, 0);
      await on.pair.master.rootQuery('FLUSH LOGS');
      const sealed = () => assert.deepEqual(findSecrets([site.folder], [SECRET, OTHER_SECRET]).filter(isNoInput), []);
      sealed();
      const found = new Set(
        findSecrets([site.folder], ['dc=canary-in-clear']).map(({ file }) => basename(file).split('.')[0]),
      );
      for (const where of ['binlog', 'replica']) assert.ok(found.has(where), `${where} is searched: ${[...found]}`);

      await secondary.kill();
      const removed = await primary.administer(['delete', 'Server', 'secondary']);
      assert.match(removed, /could read these secrets\..*\n +Directory\/ldap bindPassword$/m);
      // Its key opens after a restart too: the same again is no change.
      await primary.stop();
      await primary.start();
      assert.match(await site.apply(directory.replace(SECRET, OTHER_SECRET)), / 1 unchanged$/m);
      assert.match(await site.apply(directory), / 1 updated, /);
      sealed();
    },
  );

  halfTest(
    'servers that stay follow the new data key when one is removed, and keep it over a restart',
    { kind },
    async (site, on) => {
      const third = await site.addSecondary('third', urlOf(on.database, 'secondary'));
      const keyOf = ({ data }: Server) => readFileSync(join(data, 'identity', 'data.key'), 'utf8');
      const before = keyOf(site.primary);
      assert.deepEqual([keyOf(site.secondary), keyOf(third)], [before, before]);
      await site.secondary.kill();
      await site.primary.administer(['delete', 'Server', 'secondary']);
      const now = await waitFor('the third server to have the new data key', () =>
        keyOf(third) === before ? undefined : keyOf(third),
      );
      assert.deepEqual([keyOf(site.primary), keyOf(site.secondary)], [now, before]);
      await third.kill();
      await third.start();
      assert.equal(keyOf(third), now);
      // Who joins now gets the new one.
      const fourth = await site.addSecondary('fourth', urlOf(on.database, 'secondary'));
      assert.equal(keyOf(fourth), now);
      await expectLogin(site.agent('tc-1'), ALICE, /^granted online /);
    },
  );

  test(`HALF on ${kind}: a backup is restored into an empty database, and never over a site`, async () => {
    await using scratch = createScratch('thinman-restore-');
    const { folder, processes } = scratch;
    await using half = await surroundHalf(folder, kind);
    const { database, databases } = half;
    const site = await createSite({ folder, processes, ...(databases && { databases }) });
    await site.foundPrimary();
    await site.joinSecondary();
    await site.apply(
      `${JSON.stringify({ kind: 'SiteSettings', name: 'site', body: { agent: FAST_TIMINGS } })}\n---${WARD}`,
    );
    const tc1 = await site.addAgent('tc-1', GROUP);
    await tc1.start();
    const { primary } = site;
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.settle();
    const file = join(site.folder, 'site.backup');
    const backup = await primary.tend(['backup', file]);
    assert.equal(backup.code, 0, backup.stderr);
    await primary.stop();

    const host = createServerCommands(processes, 'restored', join(site.folder, 'restored'), primary.url);
    const at = ['--listen', new URL(primary.url).host, '--url', primary.url, '--recovery-code-stdin'];
    const restore = (url: string) => host.tend(['restore', file, ...at, '--database', url], site.recoveryCode());
    const over = await restore(urlOf(database, 'primary'));
    assert.deepEqual([over.code, /holds a site already/.test(over.stderr)], [2, true], over.stderr);

    await database.rootScript(`
      CREATE DATABASE restored CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
      GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON restored.* TO ${accountOf(
        await database.rootQuery('SELECT host AS host FROM mysql.user WHERE user = ?', [ACCOUNTS.primary.user]),
      )};`);
    const { user, password } = ACCOUNTS.primary;
    const empty = `${database.url(user, password, 'restored')}?ssl=off`;
    const restored = await restore(empty);
    assert.equal(restored.code, 0, restored.stderr);
    await host.start();
    await expectClean(host);
    const [{ objects } = {}] = await database.rootQuery('SELECT count(*) AS objects FROM restored.objects');
    const [{ objects: before } = {}] = await database.rootQuery(
      `SELECT count(*) AS objects FROM ${ACCOUNTS.database}.objects`,
    );
    assert.equal(objects, before);
    await tc1.waitForStatus('to follow the new epoch', ({ epoch }) => epoch === 2);
    await expectLogin(tc1, ALICE, /^granted online /);
    assert.equal((await host.get('User', ALICE.name)).length, 1);
    // What follows holds the site as it was before.
    await host.kill();
  });
}

function accountOf([row]: readonly Readonly<Record<string, unknown>>[]): string {
  return `'${ACCOUNTS.primary.user}'@'${String(row?.host)}'`;
}
