import assert from 'node:assert/strict';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB, user } from '../support/ward.ts';

systemTest(
  'row 13: a user who was disabled before the partition is denied by the device itself',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.apply(user(ALICE, true));
    await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);

    await site.wires?.primary.cut();
    await site.wires?.secondary.cut();
    await expectLogin(tc1, ALICE, 'denied offline_not_allowed offline');

    await site.wires?.primary.mend();
    await site.wires?.secondary.mend();
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'denied account_disabled online by primary');
    await site.apply(user(ALICE));
    await expectLogin(tc1, ALICE, 'granted online by primary');
  },
);

systemTest(
  'row 13: a user who was disabled during the partition is let in offline, and out on reconnection',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.wires?.primary.cut();
    await site.wires?.secondary.cut();
    await site.apply(user(ALICE, true));
    await expectLogin(tc1, ALICE, 'granted offline');

    await site.wires?.primary.mend();
    await site.wires?.secondary.mend();
    await tc1.waitForStatus('to have ended her session', ({ session, mode }) => mode === 'online' && session === null);
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'denied account_disabled online by primary');
    await expectLogin(tc1, BOB, 'granted online by primary');
    await site.settle();
    const ended = (await site.primary.events()).filter(
      ({ type, origin }) => type === 'session.ended' && origin === 'device:tc-1',
    );
    assert.equal(ended.length, 1);
    assert.equal(ended[0]?.user, ALICE.name);
  },
);
