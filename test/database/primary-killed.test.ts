import { expectLogin } from '../support/logins.ts';
import { fullTest, halfTest } from '../support/redundant-test.ts';
import { waitUntilOn } from '../support/site.ts';
import { ALICE, BOB } from '../support/ward.ts';

for (const redundant of [halfTest, fullTest]) {
  redundant('the Primary is killed', {}, async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted online by secondary');
    await expectLogin(tc1, BOB, 'granted online by secondary');
    await site.primary.start();
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, BOB, 'granted online by primary');
  });
}
