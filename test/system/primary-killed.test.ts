import assert from 'node:assert/strict';
import { expectLogin, recordedLogins } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB } from '../support/ward.ts';

systemTest('row 1: after the Primary is killed the next login goes through the Secondary alone', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');

  await site.primary.kill();
  await expectLogin(tc1, BOB, 'granted online by secondary');
  const { state } = await site.secondary.status();
  assert.equal(state, 'serving', 'a Secondary that lacks nothing serves, however long the Primary has been gone');

  await site.primary.start();
  await waitUntilOn(tc1, site.primary);
  await expectLogin(tc1, ALICE, 'granted online by primary');

  await site.settle();
  const logins = recordedLogins(await site.primary.events(), tc1);
  assert.deepEqual(
    logins.map(({ answers }) => answers),
    [['primary: granted'], ['secondary: granted'], ['primary: granted']],
  );
});

systemTest('a signed-in user stays signed in while the Primary dies and comes back', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  const { session } = await tc1.status();
  assert.equal(session?.user, ALICE.name);

  await site.primary.kill();
  const onSecondary = await waitUntilOn(tc1, site.secondary);
  assert.deepEqual(onSecondary.session, session);

  await site.primary.start();
  const back = await waitUntilOn(tc1, site.primary);
  assert.deepEqual(back.session, session);
});
