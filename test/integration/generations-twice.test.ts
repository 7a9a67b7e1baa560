// Host and database of the Primary go back to an older state together, and the next commits get numbers that a Secondary has
// seen on others: servers in this process, on one SQLite file.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AcceptDatabaseAnswer, ForkReport, ObjectOutput } from '@thinman/protocol';
import { verifySite } from '../../packages/server/src/care/verify.ts';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { copyDatabase, copyReplica, putBackDatabase } from '../support/database-files.ts';
import { type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const user = (name: string) => ({ kind: 'User' as const, name, body: {} });

describe('generations that were used twice', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;
  const at = (server: LocalServer) => {
    const { epoch, generation } = server.running().status();
    return `${epoch}.${generation}`;
  };
  const isIn = (server: LocalServer, state: string) =>
    waitFor(`${server.name} to be ${state}`, () => server.running().status().state === state || undefined, 30_000);
  const aligned = () =>
    waitFor('both to have the same', () => {
      const waiting = [primary, secondary].map(server => server.running().status().journalPending);
      return (at(primary) === at(secondary) && waiting.every(count => count === 0)) || undefined;
    });

  before(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
    await site.apply(user('both'));
    await aligned();
    const kept = join(site.root, 'kept');
    await primary.stop();
    copyDatabase(primary.dir, kept);
    copyReplica(primary.dir, kept);
    await primary.start();
    for (const name of ['first-1', 'first-2']) await site.apply(user(name));
    await aligned();
    const seen = at(primary);

    await secondary.stop();
    await primary.stop();
    putBackDatabase(kept, primary.dir);
    copyReplica(kept, primary.dir);
    await primary.start();
    for (const name of ['second-1', 'second-2']) await site.apply(user(name));
    assert.equal(at(primary), seen, 'the same numbers');
    await secondary.start();
  });
  after(() => site.close());

  it('are no continuation, to the Secondary nor to the Primary: nothing is written any more', async () => {
    await isIn(secondary, 'degraded');
    await isIn(primary, 'degraded');
    const isForked = (error: unknown) => error instanceof RefusedByServer && error.problem.code === 'database_forked';
    await assert.rejects(site.apply(user('eve')), isForked);
    assert.equal((await secondary.ask(ObjectOutput, '/objects/User/first-2')).name, 'first-2');
    const { differences } = await verifySite(secondary.dir);
    assert.ok(
      differences.some(({ what }) => what === 'forked'),
      JSON.stringify(differences),
    );
  });

  it('are decided on by accept-database: all follow, and what the Secondary alone had lies in a file', async () => {
    const { database, secondariesAhead } = await primary.ask(ForkReport, '/fork');
    assert.deepEqual(
      secondariesAhead.map(({ name }) => name),
      ['secondary'],
    );
    assert.equal((await primary.ask(AcceptDatabaseAnswer, '/fork/accept', { database })).epoch, 2);
    for (const server of [primary, secondary]) await isIn(server, 'serving');
    await site.apply(user('after'));
    await aligned();
    for (const server of [primary, secondary]) {
      await server.ask(ObjectOutput, '/objects/User/second-2');
      await assert.rejects(server.ask(ObjectOutput, '/objects/User/first-2'));
      assert.deepEqual((await verifySite(server.dir)).differences, [], server.name);
    }
    const [file = ''] = readdirSync(secondary.dir).filter(name => name.startsWith('fork-'));
    const written = readFileSync(join(secondary.dir, file), 'utf8');
    for (const name of ['first-1', 'first-2']) assert.match(written, new RegExp(`^name: ${name}$`, 'm'));
  });
});
