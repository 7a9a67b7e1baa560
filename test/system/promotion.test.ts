import assert from 'node:assert/strict';
import { join } from 'node:path';
import { CHOSEN_POINTS, choose, describePoint, killAt, NO_STRACE, passedPoints } from '../support/crash-points.ts';
import { expectLogin } from '../support/logins.ts';
import type { Server } from '../support/server-commands.ts';
import { systemTest } from '../support/system-test.ts';
import { expectClean } from '../support/verified.ts';
import { ALICE } from '../support/ward.ts';

// On the one embedded database, where an old Primary comes back as a Secondary by itself: so the two take turns.

/** Moments of one `promote` at which the server that is promoted is killed. */
const PROMOTE_POINTS = 6;

systemTest(
  `promote is killed at any of its writes, and repeated, ${CHOSEN_POINTS}`,
  { skip: NO_STRACE },
  async site => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    const database = join(primary.data, 'site.db-wal');
    const promote = (server: Server) =>
      server.tend(['promote', '--old-primary-is-off', '--yes', '--recovery-code-stdin'], site.recoveryCode());
    const becomesPrimary = (server: Server, told: string) =>
      server.waitForStatus(told, ({ role, state }) => role === 'primary' && state === 'serving');
    const files = (server: Server) => [
      database,
      ...['replica.db-wal', 'journal.db-wal'].map(file => join(server.data, file)),
    ];
    const comeBack = async (server: Server) => {
      await server.start();
      await server.waitForStatus('to follow', ({ role, state }) => role === 'secondary' && state === 'serving');
    };

    await expectLogin(tc1, ALICE, /^granted online /);
    await site.settle();
    await primary.kill();
    const passed = await passedPoints(
      secondary.process().pid,
      files(secondary),
      join(site.folder, 'points'),
      async () => {
        assert.equal((await promote(secondary)).code, 0);
        await becomesPrimary(secondary, 'to be promoted');
      },
    );
    await comeBack(primary);

    let [old, next] = [secondary, primary];
    let killed = 0;
    for (const point of choose(passed, PROMOTE_POINTS)) {
      const told = `killed before ${describePoint(point)}`;
      await site.settle();
      await old.kill();
      const file = point.file === database ? database : point.file.replace(secondary.data, next.data);
      const watch = await killAt(next.process().pid, { ...point, file });
      await promote(next);
      await Promise.race([next.process().exited, becomesPrimary(next, told).catch(() => {})]);
      await watch.stop();
      if (!next.isRunning()) {
        killed++;
        await next.start();
      }
      const found = await next.waitForStatus(told, ({ state }) => state === 'serving');
      if (found.role === 'secondary') assert.equal((await promote(next)).code, 0, told);
      await becomesPrimary(next, told);
      await expectLogin(tc1, ALICE, /^granted /);
      await comeBack(old);
      [old, next] = [next, old];
    }
    assert.ok(killed >= PROMOTE_POINTS / 2, `it was killed ${killed} times`);
    await site.settle();
    await expectClean(primary, secondary);
  },
);
