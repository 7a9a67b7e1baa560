import { test } from 'node:test';
import { expectLogin } from '../support/logins.ts';
import { expectHealed, isDegraded, isServing, SERVER_SETTINGS, whileLoggingIn } from '../support/redundant-faults.ts';
import { inTurn } from '../support/redundant-test.ts';
import type { Server } from '../support/server-commands.ts';
import { type Site, waitUntilApplied, waitUntilOn } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { surroundThree } from '../support/third-server.ts';
import { ALICE, profile } from '../support/ward.ts';

const TIMEOUT_MS = 300_000;

test('FULL on mariadb: a Primary and two Secondaries', { timeout: TIMEOUT_MS }, t =>
  onSiteIn(
    surroundThree,
    { agents: ['tc-1', 'tc-2'], serverSettings: SERVER_SETTINGS },
    async (site, { pair, third, thirdDatabase }) => {
      const [second, last] = [site.secondary, await site.addSecondary('third', thirdDatabase)];
      for (const agent of site.agents) {
        await agent.waitForStatus('to know all servers', ({ servers }) => servers.length === site.servers.length);
      }
      await inTurn(
        t,
        {
          'the list is gone through, forth and back': () => oneAfterTheOther(site, second, last),
          'who lags is left out, though first in the list': () =>
            fresherGoesFirst(site, {
              ...{ lags: second, lag: pair.breakReplication, catchUp: pair.mendReplication },
              fresher: last,
            }),
          'who lags is left out, last in the list': () =>
            fresherGoesFirst(site, {
              ...{ lags: last, lag: third.breakReplication, catchUp: third.mendReplication },
              fresher: second,
            }),
        },
        [],
      );
    },
  ),
);

async function oneAfterTheOther(site: Site, second: Server, last: Server): Promise<void> {
  const tc1 = site.agent('tc-1');
  await whileLoggingIn(site, async () => {
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.primary.kill();
    // At once by whoever answers first within the hedge; the device itself ends on the first that serves.
    await expectLogin(tc1, ALICE, /^granted online by/);
    await waitUntilOn(tc1, second);
    await expectLogin(tc1, ALICE, `granted online by ${second.name}`);
    await second.kill();
    await expectLogin(tc1, ALICE, `granted online by ${last.name}`);
    await second.start();
    await waitUntilOn(tc1, second);
    await site.primary.start();
    await expectHealed(site);
  });
  await expectLogin(tc1, ALICE, 'granted online by primary');
}

type OneLags = {
  readonly lags: Server;
  lag(): Promise<void>;
  catchUp(): Promise<void>;
  readonly fresher: Server;
};

async function fresherGoesFirst(site: Site, { lags, lag, catchUp, fresher }: OneLags): Promise<void> {
  const tc1 = site.agent('tc-1');
  await whileLoggingIn(site, async () => {
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await lag();
    await site.apply(profile(['ward', `without-${lags.name}`]));
    await waitUntilApplied(site, tc1, ALICE.name);
    const { generation } = await site.primary.status();
    await lags.waitForStatus('to be degraded by lag', isDegraded);
    await fresher.waitForStatus('to have it', status => isServing(status) && status.generation >= generation);

    await site.primary.kill();
    await expectLogin(tc1, ALICE, `granted online by ${fresher.name}`);
    await waitUntilOn(tc1, fresher);
    await fresher.kill();
    await expectLogin(tc1, ALICE, `granted degraded by ${lags.name}`);

    await fresher.start();
    await waitUntilOn(tc1, fresher);
    await catchUp();
    await lags.waitForStatus('to serve again', isServing);
    await site.primary.start();
    await expectHealed(site);
  });
  await expectLogin(tc1, ALICE, 'granted online by primary');
}
