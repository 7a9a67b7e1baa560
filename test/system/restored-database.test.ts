import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ForkReport } from '@thinman/protocol';
import { CHOSEN_POINTS, choose, describePoint, killAt, NO_STRACE, passedPoints } from '../support/crash-points.ts';
import { copyDatabase, putBackDatabase } from '../support/database-files.ts';
import { expectLogin } from '../support/logins.ts';
import type { Server } from '../support/server-commands.ts';
import type { Site } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { expectClean } from '../support/verified.ts';
import { ALICE, BOB } from '../support/ward.ts';

// The database is restored from an older backup while everything runs. Afterwards, as after every system test, each login has
// its event exactly once in the database that counts.

/** Moments of one `accept-database` at which the Primary is killed. */
const ACCEPT_POINTS = 10;

const user = (name: string) => JSON.stringify({ kind: 'User', name, body: {} });
const forkFiles = ({ data }: Server) => readdirSync(data).filter(file => file.startsWith('fork-'));

/** Users and events that the backup lacks; then it takes the place of the database. */
async function restoreOlder(site: Site, name: string): Promise<void> {
  const { primary } = site;
  await site.settle();
  copyDatabase(primary.data, join(site.folder, name));
  await site.apply(user(name));
  await expectLogin(site.agent('tc-1'), BOB, /^granted /);
  await site.settle();
  putBackDatabase(join(site.folder, name), primary.data);
  await primary.waitForStatus('to see it', ({ why }) => why === 'forked');
}

systemTest(
  'a restored database: people go on, nothing is written, and what it lacks is told and kept',
  {},
  async site => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    await restoreOlder(site, 'older');
    await expectLogin(tc1, ALICE, /^granted (online|degraded) /);
    const refused = await primary.thinman(['apply', '-f', '-'], user('eve'));
    assert.equal(refused.code, 4, refused.stderr);
    assert.match(refused.stderr, /accept-database/);

    // A restart changes nothing of it.
    await primary.kill();
    await primary.start();
    await primary.waitForStatus('to see it again', ({ why }) => why === 'forked');
    const { stdout } = await primary.tend(['accept-database', '--dry-run', '--json']);
    const report = JSON.parse(stdout) as ForkReport;
    assert.deepEqual(
      [report.forked, report.losses.objects],
      [true, [{ kind: 'User', name: 'older', loss: 'missing' }]],
    );

    const accepted = await primary.tend(['accept-database', '--yes']);
    assert.equal(accepted.code, 0, accepted.stderr);
    const serving = await primary.waitForStatus('to serve', ({ state }) => state === 'serving');
    assert.equal(serving.epoch, 2);
    await secondary.waitForStatus('to serve', ({ state, epoch }) => state === 'serving' && epoch === 2);
    const [file] = forkFiles(primary);
    assert.ok(file !== undefined, accepted.stdout);
    await primary.administer(['apply', '-f', join(primary.data, file)]);
    assert.equal((await primary.get('User', 'older')).length, 1);
    await expectLogin(tc1, ALICE, /^granted online /);
    await site.settle();
    await expectClean(primary, secondary);
    assert.equal((await primary.tend(['accept-database', '--yes'])).code, 1, 'there is nothing to accept any more');
  },
);

systemTest(
  `accept-database is killed at any of its writes, and repeated, ${CHOSEN_POINTS}`,
  { skip: NO_STRACE },
  async site => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    await restoreOlder(site, 'traced');
    const files = ['site.db-wal', 'replica.db-wal', 'journal.db-wal'].map(file => join(primary.data, file));
    const accept = () => primary.tend(['accept-database', '--yes']);
    const passed = await passedPoints(primary.process().pid, files, join(site.folder, 'points'), async () => {
      assert.equal((await accept()).code, 0);
      await site.settle();
    });
    const lives = { before: 0, after: 0 };
    for (const [at, point] of choose(passed, ACCEPT_POINTS).entries()) {
      const told = `killed before ${describePoint(point)}`;
      await restoreOlder(site, `at-${at}`);
      const { epoch } = await primary.status();
      const watch = await killAt(primary.process().pid, point);
      const attempt = await accept();
      await Promise.race([primary.process().exited, site.settle()]).catch((error: unknown) => {
        throw new Error(`${told}: ${JSON.stringify(attempt)}`, { cause: error });
      });
      await watch.stop();
      if (!primary.isRunning()) await primary.start();
      const found = await primary.waitForStatus(told, ({ state, why }) => state === 'serving' || why === 'forked');
      const isWhole = found.epoch === epoch + 1;
      lives[isWhole ? 'after' : 'before']++;
      assert.equal(found.why, isWhole ? undefined : 'forked', told);
      if (!isWhole) assert.equal((await accept()).code, 0, told);
      const now = await primary.waitForStatus(told, ({ state }) => state === 'serving');
      assert.equal(now.epoch, epoch + 1, told);
      await secondary.waitForStatus(told, status => status.epoch === epoch + 1 && status.state === 'serving');
      // What went lies in a file, whichever attempt wrote it.
      assert.ok(forkFiles(primary).length > at, told);
      await site.settle();
    }
    assert.ok(lives.before > 0 && lives.after > 0, JSON.stringify(lives));
    await expectClean(primary, secondary);
  },
);
