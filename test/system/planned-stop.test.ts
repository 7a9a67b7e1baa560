import assert from 'node:assert/strict';
import { inWords } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

systemTest(
  'a planned stop and start of each server costs no login',
  { agents: ['tc-1', 'tc-2'] },
  async (site, processes) => {
    let isOver = false;
    const failed: string[] = [];
    const clients = site.agents.map(async agent => {
      while (!isOver) {
        const words = inWords(await agent.login(ALICE.name, ALICE.password));
        if (!/^granted online/.test(words)) failed.push(`${agent.name}: ${words}`);
      }
    });

    for (const server of [site.primary, site.secondary, site.primary]) {
      const drained = await processes.run('thinman-server', ['drain', '--data', server.data]);
      assert.equal(drained.code, 0, drained.stderr);
      assert.equal((await server.process().exited).code, 0, `${server.name} ends by itself, in order`);
      await server.start();
      for (const agent of site.agents) await waitUntilOn(agent, site.primary);
    }
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(failed, []);
    const by = new Set(site.history.logins.map(({ answer }) => answer?.server));
    assert.deepEqual([...by].toSorted(), ['primary', 'secondary']);
  },
);
