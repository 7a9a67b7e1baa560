import assert from 'node:assert/strict';
import { expectLogin, recordedLogins } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

/** One below the five failures after which the server or the device makes the user wait. */
const FAILURES = 4;

systemTest(
  'row 7: a wrong password is one 401 of one server, and neither the other nor the cache is asked',
  {},
  async site => {
    const tc1 = site.agent('tc-1');
    const wrong = { ...ALICE, password: 'not-her-password' };
    await expectLogin(tc1, ALICE, 'granted online by primary');
    for (let failure = 0; failure < FAILURES; failure++) {
      await expectLogin(tc1, wrong, 'denied credentials_invalid online by primary');
    }

    await site.settle();
    const [, ...failed] = recordedLogins(await site.primary.events(), tc1);
    assert.deepEqual(
      failed.map(({ answers }) => answers),
      Array.from({ length: FAILURES }, () => ['primary: denied credentials_invalid']),
    );

    // Had the device counted them too, these would exhaust its own five attempts.
    await site.primary.kill();
    await site.secondary.kill();
    await tc1.waitForStatus('to be offline', ({ mode }) => mode === 'offline');
    for (let failure = 0; failure < FAILURES; failure++) {
      await expectLogin(tc1, wrong, 'denied credentials_invalid offline');
    }
    await expectLogin(tc1, ALICE, 'granted offline');
    for (let failure = 0; failure <= FAILURES; failure++) {
      await expectLogin(tc1, wrong, 'denied credentials_invalid offline');
    }
    await expectLogin(tc1, ALICE, 'denied offline_attempts_exhausted offline');

    await site.primary.start();
    await site.secondary.start();
    await waitUntilOn(tc1, site.primary);
  },
);
