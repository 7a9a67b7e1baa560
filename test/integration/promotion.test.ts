// A Secondary becomes the Primary: servers and a device in this process. The "Slave" is a copy of the SQLite file that the
// Secondary has for itself: what replication would bring is copied by hand.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ObjectOutput, PromotionAnswer, PromotionReport, ServerReport } from '@thinman/protocol';
import Type from 'typebox';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { parseFile } from '../../packages/server/src/cli/thinman/documents.ts';
import { copyDatabase, copyReplica, putBackDatabase, removeDatabase } from '../support/database-files.ts';
import { type LocalDevice, type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

/** As pino counts. */
const WARN = 40;

const user = (name: string, displayName = name) => ({ kind: 'User' as const, name, body: { displayName } });
const refusedWith = (code: string, detail?: RegExp) => (error: unknown) =>
  error instanceof RefusedByServer && error.problem.code === code && (detail?.test(error.problem.detail ?? '') ?? true);

describe('promotion', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;
  let device: LocalDevice;

  beforeEach(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
    await site.apply(user('alice'));
    device = await site.enrol('tc-1');
    await device.start();
    await device.waitUntilOnline();
    await aligned();
  });
  afterEach(() => site.close());

  const statusOf = (server: LocalServer) => server.running().status();
  async function aligned(): Promise<void> {
    await waitFor('both to have everything', () => {
      const [mine, theirs] = [statusOf(primary), statusOf(secondary)];
      const nothingWaits = mine.journalPending + theirs.journalPending + device.running().status().pendingEvents === 0;
      return (mine.generation === theirs.generation && mine.epoch === theirs.epoch && nothingWaits) || undefined;
    });
  }
  const is = (server: LocalServer, role: string, state: string) =>
    waitFor(
      `${server.name} to be ${role}, ${state}`,
      () => {
        const now = statusOf(server);
        return (now.role === role && now.state === state) || undefined;
      },
      30_000,
    );
  const promote = (recoveryCode = site.made.recoveryCode) =>
    secondary.ask(PromotionAnswer, '/promotion', { recoveryCode, oldPrimaryIsOff: true });
  const apply = (server: LocalServer, ...objects: readonly unknown[]) =>
    server.ask(Type.Unknown(), '/apply', { objects });
  const displayNameOn = async (server: LocalServer, name: string) =>
    (await server.ask(ObjectOutput, `/objects/User/${name}`)).body.displayName;
  const assertLogged = (server: LocalServer, words: RegExp) =>
    assert.equal(server.logged().filter(({ level, msg }) => level === WARN && words.test(msg)).length, 1, `${words}`);
  const exportedBy = async (server: LocalServer) => (await server.ask(ServerReport, '/status')).exported;
  const forkFiles = ({ dir }: LocalServer) => readdirSync(dir).filter(file => file.startsWith('fork-'));

  /** From now on the Secondary has a database of its own, as it is now. */
  async function ownDatabase(): Promise<void> {
    await secondary.stop();
    copyDatabase(primary.dir, secondary.dir);
    const file = join(secondary.dir, 'server.json');
    const config = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...config, database: 'sqlite:site.db' }));
    await secondary.start();
    await is(secondary, 'secondary', 'serving');
  }

  it('is refused while the Primary is there, to the Primary itself, and with another code', async () => {
    await waitFor('the link', async () => {
      const { primary: seen } = await secondary.ask(PromotionReport, '/promotion/look', {});
      return seen.linked || undefined;
    });
    await assert.rejects(promote(), refusedWith('conflict', /is there/));
    await assert.rejects(
      primary.ask(PromotionReport, '/promotion/look', {}),
      refusedWith('conflict', /is the Primary/),
    );
    await primary.stop();
    await assert.rejects(promote('0000-0000-0000-0000-0000-0000-0000'), refusedWith('forbidden'));
    await assert.rejects(promote('what'), refusedWith('bad_request'));
    assert.equal(statusOf(secondary).role, 'secondary');
    assert.ok(!readdirSync(join(secondary.dir, 'identity')).includes('ca.key'));
  });

  it('on the one database: it takes over while it runs, and the old Primary comes back as a Secondary', async () => {
    await primary.stop();
    await waitFor('the device to have gone over', () => {
      const { server } = device.running().status();
      return server?.name === 'secondary' || undefined;
    });
    const { epoch } = await promote();
    assert.equal(epoch, 2);
    await is(secondary, 'primary', 'serving');
    await apply(secondary, user('bob'), user('alice', 'Alice B.'));
    await waitFor('the device to hear of it', () => device.running().status().server?.role === 'primary' || undefined);
    // What only who has the CA's key can do.
    await secondary.ask(Type.Object({ token: Type.String() }), '/tokens', { for: 'device' });

    await primary.start();
    await is(primary, 'secondary', 'serving');
    await assert.rejects(apply(primary, user('eve')), refusedWith('not_primary', /secondary/));
    assert.equal(await displayNameOn(primary, 'alice'), 'Alice B.');
    assert.deepEqual(forkFiles(primary), []);
    await aligned();

    // And over a restart of both.
    await secondary.stop();
    await secondary.start();
    await is(secondary, 'primary', 'serving');
    await apply(secondary, user('carol'));
    await aligned();
  });

  it('on a database of its own: the old Primary stops at once, exports what it alone has, and hands on its events', async () => {
    await ownDatabase();
    // The Slave lacks these.
    await apply(primary, user('alice', 'Alice of the old Primary'), user('bob'));
    await waitFor('the Secondary to hear of it', async () => {
      const { missing } = await secondary.ask(PromotionReport, '/promotion/look', {});
      return missing.count === 2 || undefined;
    });
    await device.stop();
    await primary.stop();
    const report = await secondary.ask(PromotionReport, '/promotion/look', {});
    assert.deepEqual(report.missing.objects.map(({ name }) => name).toSorted(), ['alice', 'bob']);
    await promote();
    await is(secondary, 'primary', 'serving');
    await apply(secondary, user('carol'));
    const before = await eventsOf(secondary);
    for (const words of [/^a new epoch of the site/, /^this server is the Primary now/]) assertLogged(secondary, words);

    await primary.start();
    await assert.rejects(apply(primary, user('eve')), refusedWith('not_primary'));
    await is(primary, 'secondary', 'degraded');
    for (const words of [/^a new epoch of the site/, /the Primary no more$/]) assertLogged(primary, words);
    await waitFor('its export', () => forkFiles(primary).length === 1 || undefined);
    const written = readFileSync(join(primary.dir, forkFiles(primary)[0] ?? ''), 'utf8');
    const { objects } = parseFile('fork.yaml', written);
    assert.deepEqual(
      objects.map(({ value }) => (value as { name: string }).name),
      ['alice', 'bob'],
    );
    await apply(secondary, ...objects.map(({ value }) => value));
    assert.equal(await displayNameOn(secondary, 'alice'), 'Alice of the old Primary');

    // Everything that it had handed on to the old Master, and its own.
    await waitFor('its events', () => statusOf(primary).journalPending === 0 || undefined);
    const after = await eventsOf(secondary);
    assert.equal(new Set(after).size, after.length);
    for (const id of before) assert.ok(after.includes(id));
    const told = await secondary.ask(
      Type.Object({ items: Type.Array(Type.Object({ type: Type.String() })) }),
      '/events?limit=1000',
    );
    for (const type of ['site.superseded', 'admin.commit'])
      assert.ok(
        told.items.some(event => event.type === type),
        type,
      );
    assert.equal(forkFiles(primary).length, 1);

    // It is no Primary any more, also when it is alone.
    await secondary.stop();
    await primary.stop();
    await primary.start();
    assert.equal(statusOf(primary).role, 'secondary');
    await assert.rejects(apply(primary, user('eve')), refusedWith('not_primary'));
  });

  it('that the old Primary hears of while it runs: within ten seconds it administers no more', async () => {
    await ownDatabase();
    // The Secondary believes it dead: the link is cut from its side.
    await secondary.stop();
    const statement = readFileSync(join(secondary.dir, 'identity/statement.json'), 'utf8');
    await primary.stop();
    await secondary.start();
    await promote();
    await secondary.stop();
    await primary.start();
    // Nobody was there to tell it.
    await apply(primary, user('late'));
    assert.equal(statusOf(primary).role, 'primary');
    await secondary.start();
    await is(primary, 'secondary', 'degraded');
    await assert.rejects(apply(primary, user('later')), refusedWith('not_primary'));
    await waitFor('its export', () => forkFiles(primary).length === 1 || undefined);
    assert.match(readFileSync(join(primary.dir, forkFiles(primary)[0] ?? ''), 'utf8'), /name: late$/m);
    assert.notEqual(readFileSync(join(primary.dir, 'identity/statement.json'), 'utf8'), statement);
  });

  // Below zero, it has been starting for so long when the promotion begins.
  for (const afterMs of [-150, 0]) {
    it(`while the old Primary starts (after ${afterMs} ms): one of them administers, and nothing goes silently`, async () => {
      await ownDatabase();
      await primary.stop();
      const started = delay(Math.max(0, afterMs)).then(primary.start);
      await delay(Math.max(0, -afterMs));
      const promoted = await promote().then(
        () => true,
        error => {
          if (!refusedWith('conflict', /is there/)(error)) throw error;
          return false;
        },
      );
      await started;
      // As long as it is let.
      const written: string[] = [];
      const write = async (name: string) => {
        await apply(primary, user(name));
        written.push(name);
      };
      if (!promoted) {
        await write('late');
        await is(secondary, 'secondary', 'serving');
        return;
      }
      await waitFor('it to be told', async () => {
        const refused = await write(`late-${written.length}`).then(() => undefined, refusedWith('not_primary'));
        return refused;
      });
      await is(primary, 'secondary', 'degraded');
      await is(secondary, 'primary', 'serving');
      await waitFor('its export', async () => (await exportedBy(primary))?.complete || undefined);
      const files = forkFiles(primary).map(file => readFileSync(join(primary.dir, file), 'utf8'));
      for (const name of written)
        assert.ok(
          files.some(text => text.includes(`name: ${name}\n`)),
          name,
        );
      for (const name of written) await assert.rejects(displayNameOn(secondary, name), refusedWith('not_found'));
    });
  }

  it('exports what its copy lacked as well: it was killed after the commit, and its database is up later than it', async () => {
    await ownDatabase();
    await primary.stop();
    const older = join(site.root, 'older');
    copyReplica(primary.dir, older);
    await primary.start();
    await apply(primary, user('late'));
    await primary.stop();
    await promote();

    const database = join(site.root, 'database');
    copyDatabase(primary.dir, database);
    copyReplica(older, primary.dir);
    // In its place is what is no database.
    removeDatabase(primary.dir);
    mkdirSync(join(primary.dir, 'site.db'));
    await primary.start();
    await is(primary, 'secondary', 'degraded');
    const exported = () => exportedBy(primary);
    await waitFor('it to have heard', async () => (await exported()) !== undefined || undefined);
    assert.deepEqual(await exported(), { complete: false, file: null });

    rmSync(join(primary.dir, 'site.db'), { recursive: true });
    putBackDatabase(database, primary.dir);
    await waitFor('its export', async () => (await exported())?.complete || undefined, 30_000);
    const [file = ''] = forkFiles(primary);
    assert.equal((await exported())?.file, join(primary.dir, file));
    assert.match(readFileSync(join(primary.dir, file), 'utf8'), /name: late$/m);
  });

  async function eventsOf(server: LocalServer): Promise<readonly string[]> {
    const Ids = Type.Object({ items: Type.Array(Type.Object({ id: Type.String() })) });
    return (await server.ask(Ids, '/events?limit=1000')).items.map(({ id }) => id);
  }
});
