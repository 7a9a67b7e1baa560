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

const EVERYTHING = ['Primary', 'Secondary', 'agent'] as const;

// All 36 pairs of orders, a test for each order of loss: one test of all takes longer than a test may.
for (const losses of orders(EVERYTHING)) {
  systemTest(
    `a device that loses ${losses.join(', ')} and regains them in any order ends on the first serving server`,
    {},
    async site => {
      const tc1 = site.agent('tc-1');
      const daemons: Readonly<Record<(typeof EVERYTHING)[number], Daemon>> = {
        Primary: site.primary,
        Secondary: site.secondary,
        agent: tc1,
      };
      await expectLogin(tc1, ALICE, 'granted online by primary');
      for (const gains of orders(EVERYTHING)) {
        for (const lost of losses) await daemons[lost].kill();
        for (const gained of gains) {
          await daemons[gained].start();
          // What was true while it ran alone must hold too: an agent without any server still lets her in.
          if (gained === 'agent' && gains[0] === 'agent') await expectLogin(tc1, ALICE, 'granted offline');
        }
        await waitUntilOn(tc1, site.primary);
      }
      await expectLogin(tc1, ALICE, 'granted online by primary');
    },
  );
}
