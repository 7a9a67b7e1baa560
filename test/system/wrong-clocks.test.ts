import { join } from 'node:path';
import { test } from 'node:test';
import type { Agent } from '../support/agent-commands.ts';
import { NO_WRONG_CLOCKS, RIGHT, setClockMark, type WrongClock, wrongClock } from '../support/clocks.ts';
import { expectLogin } from '../support/logins.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { ALICE, GROUP } from '../support/ward.ts';

const BACK = '-30d';
const AHEAD = '+30d';
const DEAD = '@1970-01-01 00:00:00';
const FAR_FUTURE = '@2099-01-01 00:00:00';

/** By whichever server: on a busy machine the second one may be quicker. */
const ONLINE = /^granted online by/;

/** Boots with a clock before the mark that are forgiven (failover.md, "Clock"). */
const FORGIVEN_BOOTS = 3;

const ROW = 'row 16: a clock that is wrong, on a device alone';

if (NO_WRONG_CLOCKS === false) {
  systemTests(
    ROW,
    { agents: [], wires: true },
    {
      '30 days back: three boots are forgiven, then the device must be online once': async site => {
        const { agent, boot, clock } = await device(site, 'tc-back');
        await agent.start();
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        for (let forgiven = 0; forgiven < FORGIVEN_BOOTS; forgiven++) {
          await boot(BACK);
          await expectLogin(agent, ALICE, 'granted offline');
        }
        await boot(BACK);
        await expectLogin(agent, ALICE, 'denied clock_went_back offline');
        clock.set(RIGHT);
        await expectLogin(agent, ALICE, 'granted offline');
        await boot(BACK);
        await expectLogin(agent, ALICE, 'denied clock_went_back offline');

        await mend(site);
        await waitUntilOn(agent, site.primary);
        await cut(site);
        await expectLogin(agent, ALICE, 'granted offline');
        await boot(BACK);
        await expectLogin(agent, ALICE, 'granted offline');
        await mend(site);
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
      },

      '30 days ahead: the cached login has expired, until a server says what the time is': async site => {
        const { agent, boot, clock } = await device(site, 'tc-ahead');
        await agent.start();
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        clock.set(AHEAD);
        await expectLogin(agent, ALICE, 'granted offline');
        await boot(AHEAD);
        await expectLogin(agent, ALICE, 'denied cached_login_expired offline');

        await mend(site);
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        await expectLogin(agent, ALICE, 'granted offline');
        await boot(RIGHT);
        await expectLogin(agent, ALICE, 'granted offline');
        await mend(site);
        await waitUntilOn(agent, site.primary);
      },

      'a dead clock: enrols, finds its server, and goes on from the last time it has heard': async site => {
        const { agent, boot } = await device(site, 'tc-dead', DEAD);
        await agent.start();
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        await expectLogin(agent, ALICE, 'granted offline');
        await boot(DEAD);
        await expectLogin(agent, ALICE, 'granted offline');
        await mend(site);
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
      },

      'a clock in 2099: finds its server, and nothing is left of it': async site => {
        const { agent, boot } = await device(site, 'tc-2099');
        await agent.start();
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        await boot(FAR_FUTURE);
        await expectLogin(agent, ALICE, 'denied cached_login_expired offline');

        await mend(site);
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        await expectLogin(agent, ALICE, 'granted offline');
        await boot(RIGHT);
        await expectLogin(agent, ALICE, 'granted offline');
        await mend(site);
        await waitUntilOn(agent, site.primary);
      },

      'a memory of 2099: one word of a server mends it': async site => {
        const { agent, boot } = await device(site, 'tc-memory');
        await agent.start();
        await waitUntilOn(agent, site.primary);
        await expectLogin(agent, ALICE, ONLINE);
        await cut(site);
        await agent.stop();
        setClockMark(agent, { highWaterMs: Date.UTC(2099, 0), forgivenBoots: FORGIVEN_BOOTS });
        await agent.start();
        await expectLogin(agent, ALICE, 'denied clock_went_back offline');

        await mend(site);
        await waitUntilOn(agent, site.primary);
        await cut(site);
        await boot(RIGHT);
        await expectLogin(agent, ALICE, 'granted offline');
        await mend(site);
        await waitUntilOn(agent, site.primary);
      },
    },
  );
} else {
  test(ROW, { skip: NO_WRONG_CLOCKS }, () => {});
}

type Device = {
  readonly agent: Agent;
  readonly clock: WrongClock;
  /** Switches it off, and on again with this clock. */
  readonly boot: (at: string) => Promise<void>;
};

/** Enrolled at this time, and not started. */
async function device(site: Site, name: string, at = RIGHT): Promise<Device> {
  const clock = wrongClock(join(site.folder, `${name}.clock`));
  clock.set(at);
  const agent = await site.addAgent(name, GROUP, clock.environment);
  return {
    agent,
    clock,
    boot: async next => {
      await agent.stop();
      clock.set(next);
      await agent.start();
    },
  };
}

async function cut({ wires }: Site): Promise<void> {
  await Promise.all([wires?.primary.cut(), wires?.secondary.cut()]);
}

async function mend({ wires }: Site): Promise<void> {
  await Promise.all([wires?.primary.mend(), wires?.secondary.mend()]);
}
