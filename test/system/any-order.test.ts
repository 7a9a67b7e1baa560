import type { Daemon } from '../support/daemon.ts';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

function orders<T>(things: readonly T[]): T[][] {
  return things.length === 0
    ? [[]]
    : things.flatMap(first => orders(things.filter(thing => thing !== first)).map(rest => [first, ...rest]));
}

systemTest(
  'a device that loses and regains everything in any order ends on the first serving server',
  {},
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    const everything: Daemon[] = [site.primary, site.secondary, tc1];
    // Each order of loss once, each order of return once: who was lost last has no memory of who returns first.
    const returns = orders(everything);
    for (const [index, losses] of orders(everything).entries()) {
      const gains = returns[(index * 5 + 2) % returns.length] ?? everything;
      for (const lost of losses) await lost.kill();
      for (const gained of gains) {
        await gained.start();
        // What was true while it ran alone must hold too: an agent without any server still lets her in.
        if (gained === tc1 && gains[0] === tc1) await expectLogin(tc1, ALICE, 'granted offline');
      }
      await waitUntilOn(tc1, site.primary);
    }
    await expectLogin(tc1, ALICE, 'granted online by primary');
  },
);
