// `promote --database`: another database from now on. Servers in this process; each database is a copy of an SQLite file.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ApplyAnswer, PromotionAnswer, parseJson, SignedStatement, SiteStatement } from '@thinman/protocol';
import Database from 'better-sqlite3';
import Type from 'typebox';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { joinSite } from '../../packages/server/src/setup/join-site.ts';
import { copyDatabase } from '../support/database-files.ts';
import { freePort } from '../support/loopback.ts';
import { ownDatabase } from '../support/own-database.ts';
import { type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const MAX_CHARS = 1_000_000;
const user = (name: string) => ({ kind: 'User' as const, name, body: {} });
/** Whose secret is sealed under the site's data key. */
const directory = {
  kind: 'Directory',
  name: 'ldap',
  body: { type: 'ldap', urls: ['ldap://127.0.0.1:1'], baseDn: 'dc=x', bindPassword: 'the-secret' },
};
const refusedWith = (code: string, detail: RegExp) => (error: unknown) =>
  error instanceof RefusedByServer && error.problem.code === code && detail.test(error.problem.detail ?? '');

describe('promote on another database', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;

  beforeEach(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
  });
  afterEach(() => site.close());

  const databaseOf = (folder: string) => `sqlite:${join(folder, 'site.db')}`;
  const promote = (database: string, recoveryCode = site.made.recoveryCode) =>
    secondary.ask(PromotionAnswer, '/promotion', { recoveryCode, oldPrimaryIsOff: true, database });
  const statusOf = (server: LocalServer) => server.running().status();
  const Named = Type.Object({ items: Type.Array(Type.Object({ name: Type.String() })) });
  const apply = (server: LocalServer, ...objects: readonly unknown[]) =>
    server.ask(Type.Unknown(), '/apply', { objects });
  async function joinAs(name: string): Promise<void> {
    const port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    const token = await site.token({ for: 'server', name, url });
    const place = { dataDir: join(site.root, name), name, listen: `127.0.0.1:${port}`, url };
    await joinSite({ token, ...place, database: databaseOf(primary.dir), singleHost: true });
  }
  const listed = () => {
    const signed = parseJson(SignedStatement, secondary.read('identity/statement.json'), MAX_CHARS);
    const read = signed.ok ? parseJson(SiteStatement, signed.value.statement, MAX_CHARS) : signed;
    assert.ok(read.ok);
    return read.value.servers.map(({ name, role }) => `${name}:${role}`);
  };

  it('that is ahead of its own copy: lets nobody in again, loses nobody, and secrets open', async () => {
    await joinAs('stolen');
    await apply(primary, directory);
    await ownDatabase(primary, secondary);
    await secondary.stop();
    // A Master that outlives its server. While the Secondary is away one server goes (so there is a new data key), one comes.
    await site.remove('Server', 'stolen');
    await joinAs('joined');
    await primary.stop();
    await secondary.start();

    await promote(databaseOf(primary.dir));
    await waitFor('the promotion', () => statusOf(secondary).role === 'primary' || undefined);
    const { items } = await secondary.ask(Named, '/objects/Server');
    assert.deepEqual(items.map(({ name }) => name).toSorted(), ['joined', 'primary', 'secondary']);
    assert.deepEqual(listed(), ['secondary:primary', 'joined:secondary', 'primary:secondary']);
    // The same secret again is no change only where the one that is stored opens.
    const { changes } = await secondary.ask(ApplyAnswer, '/apply', { objects: [directory] });
    assert.deepEqual(
      changes.map(({ change }) => change),
      ['unchanged'],
    );
  });

  it('that has removed this server is refused', async () => {
    await ownDatabase(primary, secondary);
    await secondary.stop();
    await site.remove('Server', 'secondary');
    await primary.stop();
    await secondary.start();
    await assert.rejects(promote(databaseOf(primary.dir)), refusedWith('forbidden', /no longer one of the site/));
    assert.equal(statusOf(secondary).role, 'secondary');
  });

  it('that is refused leaves it with the one that it had, and without the key of the CA', async () => {
    await ownDatabase(primary, secondary);
    const before = secondary.read('server.json');
    const held = () => [secondary.read('server.json') === before, existsSync(join(secondary.dir, 'identity/ca.key'))];
    const folder = join(site.root, 'other');
    copyDatabase(primary.dir, folder);
    await primary.stop();
    await assert.rejects(
      promote(databaseOf(folder), '0000-0000-0000-0000-0000-0000-0000'),
      refusedWith('forbidden', /recovery code/),
    );
    assert.deepEqual(held(), [true, false]);

    const handle = new Database(join(folder, 'site.db'));
    handle.exec("CREATE TRIGGER full BEFORE UPDATE ON site BEGIN SELECT RAISE(ABORT, 'no room'); END");
    await assert.rejects(promote(databaseOf(folder)));
    assert.equal(held()[0], true);
    handle.exec('DROP TRIGGER full');
    handle.close();
    assert.equal(statusOf(secondary).role, 'secondary');

    const { epoch } = await promote(databaseOf(folder));
    assert.equal(epoch, 2);
    await waitFor('the promotion', () => statusOf(secondary).role === 'primary' || undefined);
    await apply(secondary, user('after'));
    assert.match(secondary.read('server.json'), /other/);
  });
});
