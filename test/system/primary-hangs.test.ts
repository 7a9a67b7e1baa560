import assert from 'node:assert/strict';
import { expectLogin, recordedLogins } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB } from '../support/ward.ts';

systemTest('row 3: a Primary that hangs costs one login the hedge, and the next one nothing', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');

  await site.primary.freeze();
  await expectLogin(tc1, BOB, 'granted online by secondary');
  await expectLogin(tc1, ALICE, 'granted online by secondary');

  site.primary.thaw();
  await waitUntilOn(tc1, site.primary);
  await site.settle();
  const [, , next] = recordedLogins(await site.primary.events(), tc1);
  // The frozen Primary answers later whatever it was sent: so what it has not answered, it was not asked.
  assert.deepEqual(next?.answers, ['secondary: granted']);
});

systemTest(
  'row 3: a Primary that hangs with the answer on its tongue makes no second session and no second event',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    assert.ok(site.wires !== undefined);

    const { heard } = site.wires.primary.holdAnswers();
    const login = expectLogin(tc1, ALICE, 'granted online by secondary');
    await heard;
    await login;
    await site.primary.freeze();
    const { session } = await tc1.status();
    assert.equal(session?.user, ALICE.name);

    site.primary.thaw();
    site.wires.primary.releaseAnswers();
    await waitUntilOn(tc1, site.primary);
    assert.deepEqual((await tc1.status()).session, session);

    await site.settle();
    const logins = recordedLogins(await site.primary.events(), tc1);
    assert.equal(logins.length, 2);
    assert.deepEqual(logins[1]?.answers.toSorted(), ['primary: granted', 'secondary: granted']);
    assert.equal(logins[1]?.event.data.server, 'secondary');
  },
);
