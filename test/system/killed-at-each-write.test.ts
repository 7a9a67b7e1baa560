import assert from 'node:assert/strict';
import { join } from 'node:path';
import { CHOSEN_POINTS, choose, describePoint, killAt, NO_STRACE, passedPoints } from '../support/crash-points.ts';
import { expectRecovered, writeObject } from '../support/crash-points-recovery.ts';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

// kill -9 just before each single write and flush of the disk, on the way of an administrative commit and on that of an event
// (row 19): what was acknowledged is there, once and whole, and nothing is there by half.

/** Of one commit: pages and flushes of the source of record, of the Primary's replica and of its journal. */
const COMMIT_POINTS = 12;
const POINTS_PER_LOGIN = 3;
/** Of the way of one login's events on each program's disk. */
const EVENT_POINTS = 6;

systemTest(
  `the Primary is killed just before each write and flush of a commit, ${CHOSEN_POINTS}`,
  { skip: NO_STRACE },
  async site => {
    const { primary } = site;
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, /^granted online /);
    const acknowledged: string[] = [];
    const files = ['site.db-wal', 'replica.db-wal', 'journal.db-wal'].map(file => join(primary.data, file));
    const log = join(site.folder, 'points');
    const passed = await passedPoints(primary.process().pid, files, log, async () => {
      assert.equal(await writeObject(primary, 'traced'), true);
      await site.settle();
    });
    for (const file of files)
      assert.ok(
        passed.some(point => point.file === file && point.call === 'fsync'),
        `${file} is flushed`,
      );

    for (const [at, point] of choose(passed, COMMIT_POINTS).entries()) {
      const watch = await killAt(primary.process().pid, point);
      const name = `at-${at}`;
      if (await writeObject(primary, name)) acknowledged.push(name);
      await Promise.race([primary.process().exited, site.settle()]);
      await watch.stop();
      if (at % POINTS_PER_LOGIN === 0) await expectLogin(tc1, ALICE, /^granted /);
      await expectRecovered(site, `killed before ${describePoint(point)}`, acknowledged);
    }
    await waitUntilOn(tc1, primary);
  },
);

systemTest(
  `row 19: each program is killed just before each write and flush of an event, ${CHOSEN_POINTS}`,
  { skip: NO_STRACE },
  async site => {
    const tc1 = site.agent('tc-1');
    const { primary, secondary } = site;
    const login = () => tc1.login(ALICE.name, ALICE.password);
    /** It serves the login, and its events come to the Primary when that is there again. */
    const throughTheSecondary = async () => {
      await primary.kill();
      const seen = await login();
      await primary.start();
      return seen;
    };
    await expectLogin(tc1, ALICE, 'granted online by primary');

    for (const { victim, files, story } of [
      { victim: tc1, files: ['cache.db-wal'], story: login },
      { victim: primary, files: ['journal.db-wal', 'site.db-wal'], story: login },
      { victim: secondary, files: ['journal.db-wal'], story: throughTheSecondary },
    ]) {
      const pid = () => victim.process().pid;
      const paths = files.map(file => join(victim.data, file));
      const passed = await passedPoints(pid(), paths, join(site.folder, `${victim.name}.points`), async () => {
        await story();
        await site.settle();
      });
      for (const path of paths)
        assert.ok(
          passed.some(({ file }) => file === path),
          `nothing was written to ${path}`,
        );
      for (const point of choose(passed, EVENT_POINTS)) {
        const watch = await killAt(pid(), point);
        const seen = await story();
        await Promise.race([victim.process().exited, site.settle()]);
        await watch.stop();
        if (victim !== tc1) assert.equal(seen.code, 0, `${victim.name}, ${describePoint(point)}: ${seen.stderr}`);
        if (!victim.isRunning()) await victim.start();
        await waitUntilOn(tc1, primary);
      }
    }
  },
);
