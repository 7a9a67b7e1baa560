import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { ForkReport } from '@thinman/protocol';
import { createDaemon } from '../support/daemon.ts';
import { copyDatabase, putBackDatabase } from '../support/database-files.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';

// A minute by default (`server/runtime/isolation.test.ts`); here a second.

const user = (name: string) => JSON.stringify({ kind: 'User', name, body: {} });

systemTest(
  'a Primary that sees nobody takes no write, and accepts no database without a word, unless it is started --isolated',
  { agents: [], serverSettings: { isolatedAfterMs: 1_000 } },
  async (site, processes) => {
    const { primary, secondary } = site;
    const apply = (name: string) => primary.thinman(['apply', '-f', '-'], user(name));
    await site.settle();
    copyDatabase(primary.data, join(site.folder, 'older'));
    await site.apply(user('newer'));
    await site.settle();
    await secondary.kill();
    const { stderr } = await waitFor('it to be isolated', async () => {
      const refused = await apply('nobody');
      return refused.code === 0 ? undefined : refused;
    });
    assert.match(stderr, /neither a device nor another server.*start --isolated/);

    // A restored database is the other half of two Primaries in one epoch.
    putBackDatabase(join(site.folder, 'older'), primary.data);
    await primary.waitForStatus('to see it', ({ why }) => why === 'forked');
    // A restart is no way around it: it has not seen anybody yet.
    await primary.kill();
    await primary.start();
    await primary.waitForStatus('to see it again', ({ why }) => why === 'forked');
    const dry = await primary.tend(['accept-database', '--dry-run', '--json']);
    assert.equal((JSON.parse(dry.stdout) as ForkReport).isolated, true);
    const refused = await primary.tend(['accept-database', '--yes']);
    assert.deepEqual([refused.code, /--nobody-was-promoted/.test(refused.stderr)], [2, true], refused.stderr);
    assert.equal((await primary.status()).epoch, 1);
    const accepted = await primary.tend(['accept-database', '--yes', '--nobody-was-promoted']);
    assert.equal(accepted.code, 0, accepted.stderr);
    await waitFor('it to be isolated again', async () => (await apply('nobody')).code !== 0 || undefined);

    await primary.kill();
    const alone = createDaemon(processes, 'primary', 'thinman-server', ['start', '--isolated', '--data', primary.data]);
    await alone.start();
    await new Promise(resolve => setTimeout(resolve, 1_500));
    const written = await apply('alone');
    assert.equal(written.code, 0, written.stderr);
    await alone.kill();

    await primary.start();
    await secondary.start();
    await site.settle();
    assert.equal((await apply('together')).code, 0);
  },
);
