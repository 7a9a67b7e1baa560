// A database that was restored from an older backup: servers and a device in this process, on one SQLite file.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AcceptDatabaseAnswer, ForkReport, ObjectOutput, parseJson, SiteStatement } from '@thinman/protocol';
import Database from 'better-sqlite3';
import Type from 'typebox';
import { CommandError, EXIT, RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { parseFile } from '../../packages/server/src/cli/thinman/documents.ts';
import { serverProgram } from '../../packages/server/src/cli/thinman-server/program.ts';
import { copyDatabase, putBackDatabase } from '../support/database-files.ts';
import {
  type LocalDevice,
  type LocalServer,
  PATIENT_TIMINGS,
  type SiteInProcess,
  siteInProcess,
} from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const MAX_CHARS = 1_000_000;
const settings = (maxAgeDays: number) => ({
  kind: 'SiteSettings' as const,
  name: 'site',
  body: { agent: PATIENT_TIMINGS, offline: { maxAgeDays } },
});
/** As pino counts. */
const ERROR = 50;
const user = (name: string, displayName = name) => ({ kind: 'User' as const, name, body: { displayName } });

describe('a database that was restored from an older backup', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;
  let device: LocalDevice;

  before(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
    await site.apply(user('alice'), user('carol'), user('dave'));
    device = await site.enrol('tc-1');
    await device.start();
    await device.waitUntilOnline();
    await settled();
    keep('backup');
    await site.apply(user('alice', 'Alice B.'), user('bob'), settings(5));
    await site.remove('User', 'carol');
    await settled();
    keep('newest');
  });
  after(() => site.close());

  const inFolder = (...parts: readonly string[]) => join(site.root, ...parts);
  const keep = (name: string) => copyDatabase(primary.dir, inFolder(name));
  const putBack = (name: string) => putBackDatabase(inFolder(name), primary.dir);
  async function settled(): Promise<void> {
    await waitFor('everybody to have everything', () => {
      const [mine, theirs] = [primary.running().status(), secondary.running().status()];
      const isAligned = mine.generation === theirs.generation && mine.epoch === theirs.epoch;
      const nothingWaits = mine.journalPending + theirs.journalPending === 0;
      return (isAligned && nothingWaits && device.running().status().pendingEvents === 0) || undefined;
    });
  }
  const stateOf = (server: LocalServer) => server.running().status().state;
  const becomes = (server: LocalServer, state: string) =>
    waitFor(`${server.name} to be ${state}`, () => stateOf(server) === state || undefined, 30_000);
  const get = (name: string) => primary.ask(ObjectOutput, `/objects/User/${name}`);
  async function eventIds(): Promise<readonly string[]> {
    const all = await primary.ask(
      Type.Object({ items: Type.Array(Type.Object({ id: Type.String() })) }),
      '/events?limit=1000',
    );
    return all.items.map(({ id }) => id);
  }

  /** Runs `thinman-server accept-database …`; gives what it printed, or the error's code and line. */
  async function accept(...args: readonly string[]): Promise<{ readonly text: string; readonly exitCode: number }> {
    let text = '';
    const program = serverProgram(printed => {
      text += printed;
    });
    try {
      await program.parseAsync(['node', 'thinman-server', 'accept-database', '--data', primary.dir, ...args]);
      return { text, exitCode: EXIT.done };
    } catch (error) {
      if (error instanceof RefusedByServer) return { text: JSON.stringify(error.problem), exitCode: EXIT.failed };
      if (!(error instanceof CommandError)) throw error;
      return { text: error.message, exitCode: error.exitCode };
    }
  }
  const refusesWrites = () =>
    assert.rejects(
      site.apply(user('eve')),
      error => error instanceof RefusedByServer && error.problem.code === 'database_forked',
    );

  it('is refused by accept-database while it has everything', async () => {
    const { exitCode, text } = await accept('--yes');
    assert.equal(exitCode, EXIT.denied);
    assert.match(text, /nothing to accept/);
  });

  it('makes its servers degraded, and takes no write', async () => {
    putBack('backup');
    await refusesWrites();
    await becomes(primary, 'degraded');
    await becomes(secondary, 'degraded');
    await refusesWrites();
    for (const { name, logged } of [primary, secondary]) {
      const lines = logged().filter(({ level, msg }) => level === ERROR && /^the database lacks/.test(msg));
      assert.equal(lines.length, 1, name);
    }
  });

  it('is what it was when the newer one is put back, with what happened meanwhile', async () => {
    putBack('newest');
    await becomes(primary, 'serving');
    await becomes(secondary, 'serving');
    await site.apply(user('frank'));
    assert.equal((await get('alice')).body.displayName, 'Alice B.');
    await settled();
  });

  it('says what would go, and does nothing before somebody has said yes', async () => {
    putBack('backup');
    await becomes(primary, 'degraded');
    const { text } = await accept('--dry-run');
    assert.match(text, /alice \(is another\).*bob \(is missing\).*carol \(is there again\).*frank \(is missing\)/);
    const json = parseJson(ForkReport, (await accept('--dry-run', '--json')).text, MAX_CHARS);
    assert.ok(json.ok);
    assert.deepEqual([json.value.forked, json.value.losses.count], [true, 5]);
    assert.equal((await accept()).exitCode, EXIT.misuse);
    assert.equal(stateOf(primary), 'degraded');
    assert.deepEqual(
      readdirSync(primary.dir).filter(file => file.startsWith('fork-')),
      [],
    );
  });

  it('counts for all once it is accepted: servers, device, and the events that it lacked', async () => {
    const kept = idsOfJournals();
    const answer = parseJson(AcceptDatabaseAnswer, (await accept('--yes', '--json')).text, MAX_CHARS);
    assert.ok(answer.ok);
    const { epoch, file, losses } = answer.value;
    assert.deepEqual([epoch, losses.count], [2, 5]);
    await becomes(primary, 'serving');
    await becomes(secondary, 'serving');
    await settled();
    assert.equal(secondary.running().status().epoch, 2);
    assert.equal((await get('alice')).body.displayName, 'alice');
    assert.equal((await get('carol')).body.displayName, 'carol');
    await waitFor('the device to have followed', () => device.running().status().epoch === 2 || undefined);

    const stored = await eventIds();
    assert.equal(new Set(stored).size, stored.length);
    for (const id of kept) assert.ok(stored.includes(id), `event ${id} is lost`);

    // What went is in a file, and can be had back.
    const written = readFileSync(file ?? assert.fail('no file'), 'utf8');
    const { objects } = parseFile('fork.yaml', written);
    assert.deepEqual(
      objects.map(({ value }) => (value as { name: string }).name),
      ['site', 'alice', 'bob', 'frank'],
    );
    assert.match(written, /thinman delete User carol/);
    await primary.ask(Type.Unknown(), '/apply', { objects: objects.map(({ value }) => value) });
    assert.equal((await get('alice')).body.displayName, 'Alice B.');
    const [raised] = await site.events('site.epoch.raised');
    assert.deepEqual([raised?.data.epoch, raised?.data.lost, raised?.data.file], [2, 5, file]);
    // The copies of the servers went the same way, and there is one file of it.
    assert.equal(readdirSync(primary.dir).filter(name => name.startsWith('fork-')).length, 1);
  });

  it('does not let a server in again that was removed since, nor lose one that has joined', async () => {
    const listed = async () => {
      const { statement } = JSON.parse(primary.read('identity/statement.json')) as { statement: string };
      const read = parseJson(SiteStatement, statement, MAX_CHARS);
      assert.ok(read.ok);
      return read.value;
    };
    await settled();
    keep('with-secondary');
    await secondary.stop();
    await site.remove('Server', 'secondary');
    const before = await listed();
    assert.deepEqual(
      before.servers.map(({ name }) => name),
      ['primary'],
    );
    putBack('with-secondary');
    await becomes(primary, 'degraded');
    assert.equal((await accept('--yes')).exitCode, EXIT.done);
    await becomes(primary, 'serving');
    const now = await listed();
    assert.deepEqual([now.epoch, now.servers.map(({ name }) => name)], [3, ['primary']]);
    await assert.rejects(primary.ask(ObjectOutput, '/objects/Server/secondary'));
  });

  /** Of all events that a server still has. */
  function idsOfJournals(): string[] {
    return [primary, secondary].flatMap(({ dir }) => journalIds(join(dir, 'journal.db')));
  }
});

function journalIds(path: string): string[] {
  const handle = new Database(path, { readonly: true });
  try {
    return handle.prepare<unknown[], string>('SELECT id FROM entries').pluck().all();
  } finally {
    handle.close();
  }
}
