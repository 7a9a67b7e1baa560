import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, user } from '../support/ward.ts';

const CHANGED = { ...ALICE, password: 'alices-second-password' };

systemTest('a changed password holds at once where the device is online, there offline too', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await site.apply(user(CHANGED));
  await expectLogin(tc1, ALICE, 'denied credentials_invalid online by primary');
  await expectLogin(tc1, CHANGED, 'granted online by primary');

  await site.primary.kill();
  await expectLogin(tc1, ALICE, 'denied credentials_invalid online by secondary');
  await expectLogin(tc1, CHANGED, 'granted online by secondary');
  await site.secondary.kill();
  await expectLogin(tc1, ALICE, 'denied credentials_invalid offline');
  await expectLogin(tc1, CHANGED, 'granted offline');
  await site.secondary.start();
  await site.primary.start();
});

systemTest(
  'a password that was changed during a partition: the old one opens the device until it is online again',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.wires?.primary.cut();
    await site.wires?.secondary.cut();
    await site.apply(user(CHANGED));
    await expectLogin(tc1, CHANGED, 'denied credentials_invalid offline');
    await expectLogin(tc1, ALICE, 'granted offline');

    await site.wires?.primary.mend();
    await site.wires?.secondary.mend();
    await waitUntilOn(tc1, site.primary);
    await tc1.waitForStatus('to have ended the session of the old password', ({ session }) => session === null);
    await expectLogin(tc1, ALICE, 'denied credentials_invalid online by primary');

    // It has heard of the change: the old password opens nothing here any more, with or without a server.
    await site.wires?.primary.cut();
    await site.wires?.secondary.cut();
    await expectLogin(tc1, ALICE, /^denied \w+ offline$/);
    await site.wires?.primary.mend();
    await site.wires?.secondary.mend();
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, CHANGED, 'granted online by primary');
  },
);
