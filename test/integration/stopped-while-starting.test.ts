import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../../packages/agent/src/agent.ts';
import { siteInProcess } from '../support/site-in-process.ts';

test('an agent that is stopped before any server was heard leaves nobody waiting, and nothing that runs afterwards', async () => {
  const site = await siteInProcess();
  try {
    const { dir } = await site.enrol('tc-1');
    const timers = new Set<object>();
    const clock = {
      nowMs: () => Date.now(),
      monotonicMs: () => performance.now(),
      // None of them rings: nothing here takes as long.
      after() {
        const timer = {};
        timers.add(timer);
        return () => void timers.delete(timer);
      },
    };
    const agent = createAgent({ dataDir: dir, localSockets: false, clock });
    await agent.start();
    const ready = agent.ready();
    await agent.stop();
    assert.deepEqual(await Promise.race([ready, 'nobody was told']), { mode: 'offline', server: null });
    assert.equal(timers.size, 0);
  } finally {
    await site.close();
  }
});
