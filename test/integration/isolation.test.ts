// A Primary that sees nobody: servers in this process, and a minute that is over at once.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ServerReport } from '@thinman/protocol';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { ISOLATED_AFTER_MS } from '../../packages/server/src/runtime/isolation.ts';
import { type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

describe('a Primary that has seen nobody for a minute', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;

  beforeEach(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
  });
  afterEach(() => site.close());

  const user = { kind: 'User' as const, name: 'alice', body: {} };
  const isolated = async () => (await primary.ask(ServerReport, '/status')).isolated === true;
  const logged = (words: RegExp) => primary.logged().filter(({ msg }) => words.test(msg)).length;
  const metric = async () => /^thinman_isolated (\d)$/m.exec(await primary.metrics())?.[1];

  it('takes no administrative write, and says so in its status, its metrics and its log', async () => {
    assert.deepEqual([await isolated(), await metric()], [false, '0']);
    await secondary.stop();
    primary.clock.pass(ISOLATED_AFTER_MS + 1_000);
    await waitFor('it to say so', () => logged(/^this Primary sees nobody/) || undefined);
    await assert.rejects(
      site.apply(user),
      error => error instanceof RefusedByServer && error.problem.code === 'isolated',
    );
    assert.deepEqual([await isolated(), await metric()], [true, '1']);

    await secondary.start();
    await waitFor('the Secondary to be seen', async () => !(await isolated()) || undefined);
    await site.apply(user);
    await waitFor('it to say that as well', () => logged(/^administrative writes are taken again/) || undefined);
    assert.deepEqual([await metric(), logged(/^this Primary sees nobody/)], ['0', 1]);
  });
});
