import { test } from 'node:test';
import { untilReport } from '../support/full-disk.ts';
import { expectLogin } from '../support/logins.ts';
import { expectHealed, whileLoggingIn } from '../support/redundant-faults.ts';
import { exhaust, fullDiskOnHalf, fullDisks, OPTIONS, skip, withDisks } from '../support/redundant-full-disk.ts';
import { surroundFull } from '../support/redundant-site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { BOB } from '../support/ward.ts';

fullDiskOnHalf('mariadb');

test(
  'FULL on mariadb: row 18: the Primary has no room, then its Master hangs; then the Secondary has none',
  { skip },
  () =>
    onSiteIn(
      folder => withDisks(folder, surroundFull),
      OPTIONS,
      (site, { disks, pair }) =>
        whileLoggingIn(site, async () => {
          await fullDisks(site, disks, pair.master, 'serving');

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
