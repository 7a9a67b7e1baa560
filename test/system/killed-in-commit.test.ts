import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expectRecovered, writeObject } from '../support/crash-points-recovery.ts';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { expectClean } from '../support/verified.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE } from '../support/ward.ts';

// Servers are killed while administrators write to the embedded database: nothing that was acknowledged is lost, nothing is
// there by half. `killed-at-each-write.test.ts` takes the points of one commit one by one.

const WRITES = 1_000;
const KILLS = 8;

systemTest(`the servers are killed at any moment while ${WRITES} objects are written`, {}, async site => {
  const { primary, secondary } = site;
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, /^granted online /);
  const acknowledged: string[] = [];
  let written = 0;
  const writing = (async () => {
    for (; written < WRITES; written++) {
      const name = `object-${written}`;
      if (await writeObject(primary, name)) acknowledged.push(name);
      else await primary.waitForStatus('to answer again', () => true);
    }
  })();
  for (let kill = 1; kill <= KILLS; kill++) {
    const after = (kill * WRITES) / (KILLS + 1);
    await waitFor(`${after} writes`, () => written >= after || undefined);
    await delay(randomInt(10)); // not a wait for something: the moment is what is tested
    const victim = kill % 4 === 0 ? secondary : primary;
    await victim.kill();
    await victim.start();
  }
  await expectLogin(tc1, ALICE, /^granted /);
  await writing;
  assert.ok(acknowledged.length > WRITES / 2, `${acknowledged.length} writes were acknowledged`);
  await expectRecovered(site, `${KILLS} times`, acknowledged);
  await expectClean(primary, secondary);
  await waitUntilOn(tc1, primary);
  await primary.kill();
  await secondary.kill();
  await expectClean(primary, secondary);
  await Promise.all([primary.start(), secondary.start()]);
});
