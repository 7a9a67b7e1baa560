import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ServerReport } from '@thinman/protocol';
import { askSocket } from '../support/local-socket.ts';
import { expectLogin } from '../support/logins.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

const wrong = (n: number) => ({ name: ALICE.name, password: `not-the-password-of-alice-${n}` });

systemTest('three wrong passwords on one server and two on the other lock on both', { wires: true }, async site => {
  const device = site.agent('tc-1');
  const { primary: wire } = site.wires ?? assert.fail('the site has wires');

  // The same wire carries the link: the Primary hears of these when it is mended.
  await wire.cut();
  await waitUntilOn(device, site.secondary);
  for (const n of [1, 2, 3]) await expectLogin(device, wrong(n), 'denied credentials_invalid online by secondary');
  await wire.mend();
  await waitUntilOn(device, site.primary);
  await waitUntilLinked(site);
  for (const n of [4, 5]) await expectLogin(device, wrong(n), 'denied credentials_invalid online by primary');
  await expectLogin(device, ALICE, 'denied account_locked online by primary');

  // The Secondary has heard of the last two at once.
  await wire.cut();
  await waitUntilOn(device, site.secondary);
  await expectLogin(device, ALICE, 'denied account_locked online by secondary');
  await expectLogin(device, BOB, 'granted online by secondary');
  await wire.mend();
  await waitUntilOn(device, site.primary);

  // An unlock is a field of the User: older facts count no more.
  await site.apply(`
kind: User
name: ${ALICE.name}
body: { groups: [nurses], password: ${ALICE.password}, unlockedAt: "${new Date().toISOString()}" }
`);
  await expectLogin(device, ALICE, 'granted online by primary');
});

function waitUntilLinked(site: Site) {
  return waitFor('the link to be up again', async () => {
    const report = await askSocket(join(site.primary.data, 'admin.sock'), '/v1/admin/status', ServerReport);
    return report?.secondaries?.[0]?.linked === true ? true : undefined;
  });
}
