// What is done when the Primary's host is gone for good, on real databases.
import assert from 'node:assert/strict';
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseKind } from './databases/database-server.ts';
import { expectLogin } from './logins.ts';
import { urlOf } from './redundant-site.ts';
import { fullTest, halfTest } from './redundant-test.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';
import { waitFor } from './wait.ts';
import { ALICE, BOB } from './ward.ts';

const user = (name: string) => JSON.stringify({ kind: 'User', name, body: {} });
const forkFiles = ({ data }: Server) => readdirSync(data).filter(file => file.startsWith('fork-'));
const promote = ({ secondary, recoveryCode }: Site) =>
  secondary.tend(['promote', '--old-primary-is-off', '--yes', '--recovery-code-stdin'], recoveryCode());

/** Runs the SQL that `promote` prints instead of doing anything; then it does. */
async function promoteWithItsSql(site: Site, run: (sql: string) => Promise<void>): Promise<void> {
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
async function joinAnew({ primary, secondary }: Site, database: string): Promise<void> {
  await primary.kill();
  renameSync(primary.data, `${primary.data}.old`);
  await secondary.administer(['delete', 'Server', primary.name]);
  const token = await secondary.administer(['token', 'server', '--name', primary.name, '--url', primary.url]);
  const at = ['--name', primary.name, '--listen', new URL(primary.url).host, '--url', primary.url];
  const joined = await primary.tend(['join', token.trim(), ...at, '--database', database]);
  assert.equal(joined.code, 0, joined.stderr);
  await primary.start();
}

export function recoveryTests(kind: DatabaseKind): void {
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
      await site.apply(user('lost'));
      await secondary.waitForStatus('to hear of what it lacks', ({ missing }) => missing?.count === 1);
      await Promise.all([primary.kill(), pair.master.kill()]);
      await expectLogin(tc1, ALICE, /^granted /);

      await promoteWithItsSql(site, pair.slave.rootScript);
      await secondary.administer(['apply', '-f', '-'], user('new'));
      await expectLogin(tc1, BOB, /^granted online by secondary/);

      await pair.master.restart();
      await primary.start();
      await primary.waitForStatus(
        'to have heard of it',
        ({ role, why }) => role === 'secondary' && why === 'superseded',
      );
      const refused = await primary.thinman(['apply', '-f', '-'], user('eve'));
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

  halfTest('the Primary is gone, and comes back after the promotion', { kind }, async (site, { database }) => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    await primary.kill();
    await promoteWithItsSql(site, database.rootScript);
    await secondary.administer(['apply', '-f', '-'], user('new'));
    await expectLogin(tc1, BOB, /^granted online by secondary/);

    await primary.start();
    await primary.waitForStatus('to follow', ({ role, state, epoch }) => {
      return role === 'secondary' && state === 'serving' && epoch === 2;
    });
    assert.equal((await primary.thinman(['apply', '-f', '-'], user('eve'))).code, 2);
    assert.deepEqual(forkFiles(primary), []);
  });
}
