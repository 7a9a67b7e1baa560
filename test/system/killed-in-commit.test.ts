import { expectRecovered } from '../support/crash-points-recovery.ts';
import { killWhileWriting } from '../support/kill-while-writing.ts';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { expectClean } from '../support/verified.ts';
import { ALICE } from '../support/ward.ts';

// Servers are killed while administrators write to the embedded database: nothing that was acknowledged is lost, nothing is
// there by half. On MariaDB and MySQL: `recovery-on-databases.ts`.
// `killed-at-each-write.test.ts` takes the points of one commit one by one.

const WRITES = 1_000;
const KILLS = 8;

systemTest(`the servers are killed at any moment while ${WRITES} objects are written`, {}, async site => {
  const { primary, secondary } = site;
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, /^granted online /);
  const acknowledged = await killWhileWriting(site, { writes: WRITES, kills: KILLS });
  await expectLogin(tc1, ALICE, /^granted /);
  await expectRecovered(site, `${KILLS} times`, acknowledged);
  await expectClean(primary, secondary);
  await waitUntilOn(tc1, primary);
  await primary.kill();
  await secondary.kill();
  await expectClean(primary, secondary);
  await Promise.all([primary.start(), secondary.start()]);
});
