// What is done when the Primary's host is gone for good, on real databases.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseKind, DatabaseServer } from './databases/database-server.ts';
import { killWhileWriting } from './kill-while-writing.ts';
import { expectLogin } from './logins.ts';
import { ACCOUNTS, urlOf } from './redundant-site.ts';
import { fullTest, halfTest } from './redundant-test.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';
import { expectClean } from './verified.ts';
import { waitFor } from './wait.ts';
import { ALICE, BOB } from './ward.ts';

/** On the embedded database it is a thousand (`killed-in-commit`). */
const KILLED_WRITES = 200;
const KILLS = 5;

export const userNamed = (name: string) => JSON.stringify({ kind: 'User', name, body: {} });
export const forkFiles = ({ data }: Server) => readdirSync(data).filter(file => file.startsWith('fork-'));
const promote = ({ secondary, recoveryCode }: Site) =>
  secondary.tend(['promote', '--old-primary-is-off', '--yes', '--recovery-code-stdin'], recoveryCode());

/** Runs the SQL that `promote` prints instead of doing anything; then it does. */
export async function promoteWithItsSql(site: Site, run: (sql: string) => Promise<void>): Promise<void> {
  const { secondary } = site;
  const refused = await promote(site);
  assert.equal(refused.code, 2, refused.stderr);
  assert.equal((await secondary.status()).role, 'secondary');
  assert.ok(!readdirSync(join(secondary.data, 'identity')).includes('ca.key'));
  const sql = refused.stdout.split('\n').filter(line => /^ {2}\S.*;$/.test(line));
  assert.ok(sql.length > 0, refused.stdout);
  await run(sql.join('\n'));
  const promoted = await promote(site);
  assert.equal(promoted.code, 0, promoted.stdout + promoted.stderr);
  await secondary.waitForStatus('to be the Primary', ({ role, state }) => role === 'primary' && state === 'serving');
}

/** The old host begins anew, as a Secondary on the new Primary's database. */
export async function joinAnew({ primary, secondary }: Site, database: string): Promise<void> {
  await primary.kill();
  renameSync(primary.data, `${primary.data}.old`);
  await secondary.administer(['delete', 'Server', primary.name]);
  const token = await secondary.administer(['token', 'server', '--name', primary.name, '--url', primary.url]);
  const at = ['--name', primary.name, '--listen', new URL(primary.url).host, '--url', primary.url];
  const joined = await primary.tend(['join', token.trim(), ...at, '--database', database]);
  assert.equal(joined.code, 0, joined.stderr);
  await primary.start();
}

function useDatabase({ data }: Server, database: string): void {
  const file = join(data, 'server.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), database }));
}

/** A copy of the site's tables beside them, and how to put it in their place: in one transaction, under running servers. */
async function backUp(server: DatabaseServer): Promise<{ restore(): Promise<void> }> {
  const { database } = ACCOUNTS;
  const backup = `${database}_backup`;
  const rows = await server.rootQuery(
    'SELECT table_name AS called FROM information_schema.tables WHERE table_schema = ?',
    [database],
  );
  const tables = rows.map(({ called }) => String(called));
  const copy = (from: string, to: string, table: string) =>
    `INSERT INTO ${to}.${table} SELECT * FROM ${from}.${table};`;
  await server.rootScript(`CREATE DATABASE ${backup};
    ${tables.map(table => `CREATE TABLE ${backup}.${table} LIKE ${database}.${table};`).join('')}
    ${tables.map(table => copy(database, backup, table)).join('')}`);
  return {
    restore: () =>
      server.rootScript(`START TRANSACTION;
        ${tables.map(table => `DELETE FROM ${database}.${table};${copy(backup, database, table)}`).join('')}
        COMMIT;`),
  };
}

/** Power goes on a host, and its disk comes back as it was: the Master and the Primary's own copy have lost what came after. */
async function asItWas(primary: Server, master: DatabaseServer): Promise<{ comeBack(): Promise<void> }> {
  const kept = `${master.folder}.kept`;
  const places = [
    [master.dataFolder, join(kept, 'master')],
    [primary.data, join(kept, 'primary')],
  ] as const;
  await primary.kill();
  await master.stop();
  for (const [from, to] of places) cpSync(from, to, { recursive: true });
  await master.restart();
  await primary.start();
  return {
    async comeBack() {
      await Promise.all([primary.kill(), master.kill()]);
      for (const [from, to] of places) {
        rmSync(from, { recursive: true });
        cpSync(to, from, { recursive: true });
        if (from === master.dataFolder) spawnSync('chown', ['-R', '--reference', master.folder, from]);
      }
      await master.restart();
      await primary.start();
    },
  };
}

export function recoveryTests(kind: DatabaseKind): void {
  halfTest('the database is restored from an older backup, and accepted', { kind }, async (site, { database }) => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    await site.settle();
    const { restore } = await backUp(database);
    await site.apply(userNamed('lost'));
    await expectLogin(tc1, BOB, /^granted online /);
    await site.settle();
    await restore();
    const refused = await primary.thinman(['apply', '-f', '-'], userNamed('eve'));
    assert.deepEqual([refused.code, /accept-database/.test(refused.stderr)], [4, true], refused.stderr);
    await primary.waitForStatus('to see it', ({ why }) => why === 'forked');
    await secondary.waitForStatus('to see it after ten seconds', ({ why }) => why === 'forked');
    await expectLogin(tc1, ALICE, /^granted degraded /);

    const accepted = await primary.tend(['accept-database', '--yes']);
    assert.equal(accepted.code, 0, accepted.stderr);
    for (const server of [primary, secondary]) {
      await server.waitForStatus('to serve', ({ state, epoch }) => state === 'serving' && epoch === 2);
    }
    const [file] = forkFiles(primary);
    await primary.administer(['apply', '-f', join(primary.data, file ?? 'none')]);
    assert.equal((await primary.get('User', 'lost')).length, 1);
    await expectLogin(tc1, BOB, /^granted online /);
    await site.settle();
    await expectClean(primary, secondary);
  });

  fullTest('the Master loses its last commits, and the Slave is ahead', { kind }, async (site, { pair }) => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    await site.settle();
    await pair.waitUntilAligned();
    const { comeBack } = await asItWas(primary, pair.master);
    await site.apply(userNamed('ahead'));
    await secondary.waitForStatus('to have it', ({ missing }) => missing?.count === 0);
    await waitFor(
      'the Slave to have it',
      async () => (await secondary.get('User', 'ahead').catch(() => [])).length || undefined,
    );
    await comeBack();

    // The Primary's own copy knows nothing of it: the Secondary does.
    await primary.waitForStatus('to hear of it', ({ why }) => why === 'forked');
    assert.equal((await primary.thinman(['apply', '-f', '-'], userNamed('eve'))).code, 4);
    const looked = await primary.tend(['accept-database', '--dry-run']);
    assert.match(looked.stdout, /^secondary +secondary has commits up to /m);
    assert.equal((await primary.tend(['accept-database', '--yes'])).code, 0);
    await primary.waitForStatus('to serve', ({ state, epoch }) => state === 'serving' && epoch === 2);
    await primary.administer(['apply', '-f', '-'], userNamed('after'));

    // As if the Slave were a copy of the Master again: the Secondary puts its own by, and follows.
    await secondary.kill();
    useDatabase(secondary, urlOf(pair.master, 'secondary'));
    await secondary.start();
    await secondary.waitForStatus('to serve', ({ state, epoch }) => state === 'serving' && epoch === 2);
    assert.equal((await secondary.get('User', 'after')).length, 1);
    const [file] = forkFiles(secondary);
    assert.match(readFileSync(join(secondary.data, file ?? 'none'), 'utf8'), /^name: ahead$/m);
  });

  fullTest(
    'the Primary and its Master are gone, and come back after the promotion',
    { kind },
    async (site, { pair }) => {
      const { primary, secondary } = site;
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, /^granted online /);
      await site.settle();
      await pair.waitUntilAligned();
      await pair.breakReplication();
      await site.apply(userNamed('lost'));
      await secondary.waitForStatus('to hear of what it lacks', ({ missing }) => missing?.count === 1);
      await Promise.all([primary.kill(), pair.master.kill()]);
      await expectLogin(tc1, ALICE, /^granted /);

      await promoteWithItsSql(site, pair.slave.rootScript);
      await secondary.administer(['apply', '-f', '-'], userNamed('new'));
      await expectLogin(tc1, BOB, /^granted online by secondary/);

      await pair.master.restart();
      await primary.start();
      await primary.waitForStatus(
        'to have heard of it',
        ({ role, why }) => role === 'secondary' && why === 'superseded',
      );
      const refused = await primary.thinman(['apply', '-f', '-'], userNamed('eve'));
      assert.equal(refused.code, 2, refused.stderr);
      await primary.waitForStatus('to have handed on its events', ({ journalPending }) => journalPending === 0);
      const [file] = await waitFor('its export', () =>
        forkFiles(primary).length > 0 ? forkFiles(primary) : undefined,
      );
      await secondary.administer(['apply', '-f', join(primary.data, file ?? '')]);
      assert.equal((await secondary.get('User', 'lost')).length, 1);
      await expectLogin(tc1, ALICE, /^granted online by secondary/);

      await joinAnew(site, urlOf(pair.slave, 'secondary'));
      await primary.waitForStatus('to serve', ({ role, state }) => role === 'secondary' && state === 'serving');
      await tc1.waitForStatus('to know both', ({ servers }) => servers.length === 2);
    },
  );

  fullTest(
    `the servers are killed at any moment while ${KILLED_WRITES} objects are written`,
    { kind, agents: [] },
    async (site, { pair }) => {
      const { primary, secondary } = site;
      const acknowledged = await killWhileWriting(site, { writes: KILLED_WRITES, kills: KILLS });
      const held = new Set((await primary.get('DeviceGroup')).map(({ name }) => name));
      assert.deepEqual(
        acknowledged.filter(name => !held.has(name)),
        [],
      );
      await pair.waitUntilAligned();
      for (const database of [pair.master, pair.slave]) {
        const rows = await database.rootQuery(
          `SELECT generation FROM ${ACCOUNTS.database}.commits ORDER BY generation`,
        );
        assert.deepEqual(
          rows.map(({ generation }) => Number(generation)),
          rows.map((_, at) => at + 1),
        );
      }
      const { generation } = await primary.status();
      await secondary.waitForStatus('to have it all', now => now.generation === generation);
      await expectClean(primary, secondary);
    },
  );

  halfTest('the Primary is gone, and comes back after the promotion', { kind }, async (site, { database }) => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    await primary.kill();
    await promoteWithItsSql(site, database.rootScript);
    await secondary.administer(['apply', '-f', '-'], userNamed('new'));
    await expectLogin(tc1, BOB, /^granted online by secondary/);

    await primary.start();
    await primary.waitForStatus('to follow', ({ role, state, epoch }) => {
      return role === 'secondary' && state === 'serving' && epoch === 2;
    });
    assert.equal((await primary.thinman(['apply', '-f', '-'], userNamed('eve'))).code, 2);
    assert.deepEqual(forkFiles(primary), []);
  });
}
