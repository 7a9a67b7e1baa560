import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ServerReport, ServerStatus, TokenAnswer } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import Type from 'typebox';
import { freePort } from '../../../test/support/loopback.ts';
import { waitFor } from '../../../test/support/wait.ts';
import { connect } from './cli/thinman/admin-client.ts';
import { RefusedByServer } from './cli/thinman/command-error.ts';
import { ConfigError, dataFolder } from './config.ts';
import { httpsJson } from './runtime/https-json.ts';
import { createServer, type ThinmanServer } from './server.ts';
import { JoinDenied } from './setup/errors.ts';
import { initSite } from './setup/init-site.ts';
import { type JoinOptions, joinSite } from './setup/join-site.ts';

const log = pino({ level: process.env.THINMAN_LOG_LEVEL ?? 'silent' });
const Events = Type.Object({
  items: Type.Array(
    Type.Object({
      ...{ id: Type.String(), type: Type.String(), origin: Type.String(), takenBy: Type.String() },
      data: Type.Record(Type.String(), Type.Unknown()),
    }),
  ),
});

let root: string;
let primaryDir: string;
let secondaryDir: string;
const running = new Set<ThinmanServer>();

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-server-'));
  [primaryDir, secondaryDir] = [join(root, 'primary'), join(root, 'secondary')];
  const port = await freePort();
  const address = { listen: `127.0.0.1:${port}`, url: `https://127.0.0.1:${port}` };
  await initSite({ dataDir: primaryDir, name: 'primary', ...address });
});
afterEach(async () => {
  for (const server of running) await server.drain();
  running.clear();
  rmSync(root, { recursive: true });
});

async function start(dataDir: string): Promise<ThinmanServer> {
  const server = createServer({ dataDir, log });
  running.add(server);
  await server.start();
  return server;
}

async function stop(server: ThinmanServer): Promise<void> {
  await server.drain();
  running.delete(server);
}

/** One question on the local admin socket. */
async function ask<S extends Type.TSchema>(
  dataDir: string,
  schema: S,
  path: string,
  body?: unknown,
): Promise<Type.Static<S>> {
  const client = connect({ kind: 'socket', path: dataFolder(dataDir).adminSocket, data: dataDir });
  try {
    return await client.ask(schema, body === undefined ? { path } : { method: 'POST', path, body });
  } finally {
    await client.close();
  }
}

const serverToken = async (url: string, name = 'secondary') =>
  (await ask(primaryDir, TokenAnswer, '/tokens', { for: 'server', name, url })).token;

async function joinOptions(): Promise<Omit<JoinOptions, 'token'>> {
  const port = await freePort();
  return {
    dataDir: secondaryDir,
    name: 'secondary',
    listen: `127.0.0.1:${port}`,
    url: `https://127.0.0.1:${port}`,
    database: `sqlite:${join(primaryDir, 'site.db')}`,
    singleHost: true,
  };
}

async function joinSecondary(): Promise<void> {
  const options = await joinOptions();
  await joinSite({ ...options, token: await serverToken(options.url) });
}

const makeUser = (name: string) =>
  ask(primaryDir, Type.Object({ generation: Type.Integer() }), '/apply', {
    objects: [{ kind: 'User', name, body: {} }],
  });

async function remove(kind: string, name: string): Promise<void> {
  const client = connect({ kind: 'socket', path: dataFolder(primaryDir).adminSocket, data: primaryDir });
  try {
    await client.ask(Type.Object({}), { method: 'DELETE', path: `/objects/${kind}/${name}` });
  } finally {
    await client.close();
  }
}

const eventsOf = async (type: string) => (await ask(primaryDir, Events, `/events?limit=1000&type=${type}`)).items;
const settled = (server: ThinmanServer, what: string, wanted: (status: ServerStatus) => boolean) =>
  waitFor(
    what,
    () => (wanted(server.status()) ? server.status() : undefined),
    undefined,
    () => JSON.stringify(server.status()),
  );

/** What is answered to anyone, as text. */
const fetchText = (url: string) =>
  new Promise<string>((resolve, reject) => {
    get(url, { rejectUnauthorized: false, agent: false }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });

describe('a server', () => {
  it('serves as the Primary after init, and says so to its owner and to anyone who asks', async () => {
    const primary = await start(primaryDir);
    // What it has to say of its start is on its way, or is there.
    const { journalPending: _before, ...status } = primary.status();
    assert.deepEqual(
      [status.name, status.role, status.state, status.epoch, status.generation],
      ['primary', 'primary', 'serving', 1, 1],
    );
    const {
      missing,
      journal,
      secondaries,
      link,
      writesSchema,
      journalPending: _now,
      ...same
    } = await ask(primaryDir, ServerReport, '/status');
    assert.deepEqual(same, status);
    assert.deepEqual(
      [missing, journal?.path, secondaries, link, writesSchema],
      [{ count: 0, objects: [] }, 'journal', [], undefined, status.schema],
    );
    assert.equal(statSync(join(primaryDir, 'admin.sock')).mode & 0o777, 0o600);
    const readyz = {
      url: `${primary.url}/readyz`,
      schema: ServerStatus,
      trust: 'trust-nobody',
      deadlineMs: 5_000,
    } as const;
    const answer = await httpsJson(readyz);
    assert.equal(answer.kind === 'ok' && answer.value.state, 'serving');
  });

  it('keeps a second one out of its folder, and lets go of it when it has stopped', async () => {
    const primary = await start(primaryDir);
    assert.throws(
      () => createServer({ dataDir: primaryDir, log }),
      error => error instanceof ConfigError && /in use/.test(error.message),
    );
    await stop(primary);
    await start(primaryDir);
  });

  it('says what it did in events that are in the source of record after it has stopped', async () => {
    await stop(await start(primaryDir));
    await start(primaryDir);
    assert.equal((await eventsOf('server.stopped')).length, 1);
    await waitFor('both starts', async () => ((await eventsOf('server.started')).length === 2 ? true : undefined));
  });

  it('serves degraded from its replica while its database is away, and comes back by itself', async () => {
    await stop(await start(primaryDir));
    renameSync(join(primaryDir, 'site.db'), join(root, 'away.db'));
    const primary = await start(primaryDir);
    assert.equal(primary.status().state, 'degraded');
    assert.equal(primary.status().generation, 1);
    assert.equal(primary.status().database.reachable, false);
    await assert.rejects(
      makeUser('alice'),
      error => error instanceof RefusedByServer && error.problem.code === 'database_unavailable',
    );
    renameSync(join(root, 'away.db'), join(primaryDir, 'site.db'));
    await settled(primary, 'to be serving again', ({ state }) => state === 'serving');
    await makeUser('alice');
  });

  it('is unavailable without a replica and without a database, but runs, and serves once one is there', async () => {
    renameSync(join(primaryDir, 'site.db'), join(root, 'away.db'));
    const primary = await start(primaryDir);
    assert.equal(primary.status().state, 'unavailable');
    assert.equal(primary.status().role, 'primary');
    const changes: string[] = [];
    primary.onState(({ before, state }) => changes.push(`${before} > ${state}`));
    renameSync(join(root, 'away.db'), join(primaryDir, 'site.db'));
    await settled(primary, 'to be serving', ({ state }) => state === 'serving');
    assert.deepEqual(changes, ['unavailable > serving']);
  });

  it('stops when an administrator asks for a drain', async () => {
    const primary = await start(primaryDir);
    const status = await ask(primaryDir, ServerStatus, '/drain', {});
    assert.equal(status.state, 'draining');
    await primary.stopped;
  });
});

describe('a pair', () => {
  it('agrees on the statement, and the Secondary follows each commit at once', async () => {
    await start(primaryDir);
    await joinSecondary();
    const secondary = await start(secondaryDir);
    assert.equal(secondary.status().role, 'secondary');
    assert.equal(secondary.status().state, 'serving');
    const { generation } = await makeUser('alice');
    await settled(secondary, 'to have the commit', status => status.generation === generation);
    assert.equal(secondary.status().database.lagMs, 0);
  });

  it('brings the events of the Secondary into the source of record exactly once, over restarts of either', async () => {
    const primary = await start(primaryDir);
    await joinSecondary();
    const secondary = await start(secondaryDir);
    await settled(secondary, 'to have handed on', ({ journalPending }) => journalPending === 0);

    await stop(primary);
    await stop(secondary);
    const again = await start(secondaryDir);
    assert.ok(again.status().journalPending > 0, 'its stop and its start wait for the Primary');
    assert.equal(again.status().state, 'serving', 'a Secondary that lacks nothing serves without its Primary');

    await start(primaryDir);
    await settled(again, 'to have handed on', ({ journalPending }) => journalPending === 0);
    const ofSecondary = async (type: string) =>
      (await eventsOf(type)).filter(({ origin }) => origin === 'server:secondary').length;
    assert.equal(await ofSecondary('server.started'), 2);
    assert.equal(await ofSecondary('server.stopped'), 1);
  });

  it('takes a batch of the Secondary of which the database refuses one event: that one is quarantined, once, with an alarm', async () => {
    const primary = await start(primaryDir);
    await joinSecondary();
    const database = new Database(join(primaryDir, 'site.db'));
    database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.origin = 'server:secondary' AND
      NEW.type = 'server.started' BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    const secondary = await start(secondaryDir);
    await stop(secondary);
    await start(secondaryDir);
    const alarms = await waitFor('the alarms', async () => {
      const told = (await eventsOf('event.quarantined')).map(({ data }) => Number(data.quarantined));
      return told.reduce((sum, count) => sum + count, 0) === 2 ? told : undefined;
    });
    assert.ok(alarms.length <= 2);
    for (const server of running) {
      await settled(server, 'to have handed on', ({ journalPending }) => journalPending === 0);
    }
    const refused = database.prepare('SELECT eventId FROM event_quarantine').pluck().all();
    database.close();
    assert.equal(refused.length, 2, 'one for each start');
    assert.equal((await eventsOf('server.stopped')).length, 1, 'what came with it is stored');
    assert.deepEqual(
      [...new Set((await eventsOf('event.quarantined')).map(({ origin }) => origin))],
      ['server:primary'],
    );
    assert.equal(primary.status().state, 'serving');
  });

  it('a Secondary that is deleted serves nobody any more, over its restart as well, and says why', async () => {
    await start(primaryDir);
    await joinSecondary();
    const before = await start(secondaryDir);
    assert.equal(before.status().state, 'serving');
    await remove('Server', 'secondary');
    await settled(before, 'to be unavailable', ({ state }) => state === 'unavailable');
    assert.equal((await ask(secondaryDir, ServerReport, '/status')).why, 'removed');
    await stop(before);
    const after = await start(secondaryDir);
    assert.equal(after.status().state, 'unavailable');
    const [primary] = running;
    assert.equal(primary?.status().state, 'serving');
  });

  it('refuses every administrative write on the Secondary, and names the Primary', async () => {
    const primary = await start(primaryDir);
    await joinSecondary();
    await start(secondaryDir);
    const write = ask(secondaryDir, Type.Object({}), '/apply', { objects: [{ kind: 'User', name: 'bob', body: {} }] });
    await assert.rejects(
      write,
      error =>
        error instanceof RefusedByServer &&
        error.problem.code === 'not_primary' &&
        error.problem.primaryUrl === primary.url,
    );
  });
});

describe('a Secondary on a database of its own', () => {
  /** As a Slave: it has what was copied last. */
  const slave = () => join(root, 'slave.db');
  const replicate = async () => {
    const master = new Database(join(primaryDir, 'site.db'), { readonly: true });
    await master.backup(slave());
    master.close();
  };
  const reportOf = (dataDir: string) => ask(dataDir, ServerReport, '/status');
  const quick = { kind: 'SiteSettings', name: 'site', body: { server: { lagLimitMs: 300, syncIntervalMs: 50 } } };
  const users = (...names: string[]) =>
    ask(primaryDir, Type.Object({ generation: Type.Integer() }), '/apply', {
      objects: names.map(name => ({ kind: 'User', name, body: {} })),
    });

  beforeEach(async () => {
    await start(primaryDir);
    await ask(primaryDir, Type.Object({}), '/apply', { objects: [quick] });
    await joinSecondary();
    await replicate();
    const file = dataFolder(secondaryDir).config;
    const config = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...config, database: `sqlite:${slave()}` }));
  });

  const lacks = (report: ServerReport | undefined) =>
    report?.missing?.objects.map(({ kind, name, generation }) => `${kind}/${name}@${generation}`);

  it('knows by name what has not arrived since replication stopped, over its restarts and the death of the Primary', async () => {
    let secondary = await start(secondaryDir);
    await settled(secondary, 'to be serving', ({ state }) => state === 'serving');
    const { generation } = await users('alice', 'bob');
    await users('carol');
    await settled(secondary, 'to be degraded', ({ state }) => state === 'degraded');
    const missing = [`User/carol@${generation + 1}`, `User/alice@${generation}`, `User/bob@${generation}`];
    assert.deepEqual(lacks(await reportOf(secondaryDir))?.toSorted(), missing.toSorted());

    const told = await waitFor('the Primary to know', async () => {
      const [theirs] = (await reportOf(primaryDir)).secondaries ?? [];
      return theirs?.state === 'degraded' ? theirs : undefined;
    });
    assert.deepEqual([told.name, told.linked, told.missing.count], ['secondary', true, 3]);
    const state = await waitFor('the event', async () =>
      (await eventsOf('server.state')).find(
        ({ origin, data }) => origin === 'server:secondary' && data.why === 'lagging',
      ),
    );
    assert.equal((state.data.missing as { count: number }).count > 0, true);

    const [primary] = running;
    assert.ok(primary !== undefined);
    await stop(primary);
    await stop(secondary);
    secondary = await start(secondaryDir);
    assert.deepEqual([secondary.status().state, secondary.status().generation], ['degraded', generation - 1]);
    assert.deepEqual(lacks(await reportOf(secondaryDir))?.toSorted(), missing.toSorted());

    await replicate();
    await settled(secondary, 'to be serving, with the Primary gone', ({ state: now }) => now === 'serving');
    const report = await reportOf(secondaryDir);
    assert.deepEqual(
      [report.missing, report.link],
      [
        { count: 0, objects: [] },
        { server: 'primary', connected: false },
      ],
    );
  });

  it('learns what it lacks also when it comes only after the commits', async () => {
    await users('alice');
    const { generation } = await users('bob');
    const secondary = await start(secondaryDir);
    await settled(secondary, 'to be degraded', ({ state }) => state === 'degraded');
    assert.deepEqual(lacks(await reportOf(secondaryDir)), [`User/bob@${generation}`, `User/alice@${generation - 1}`]);
  });

  it('hands its events straight to the Primary while its journal takes none, and serves nobody when neither does', async () => {
    const secondary = await start(secondaryDir);
    await settled(secondary, 'to have handed on', ({ journalPending }) => journalPending === 0);
    const tool = new Database(dataFolder(secondaryDir).journal);
    tool.exec('BEGIN IMMEDIATE');
    await users('alice');
    const lagging = await waitFor('its event to be in the source of record', async () =>
      (await eventsOf('server.state')).find(
        ({ origin, data }) => origin === 'server:secondary' && data.why === 'lagging',
      ),
    );
    assert.equal(lagging.takenBy, 'secondary');
    assert.equal(secondary.status().journalPending, 0);
    assert.equal((await reportOf(secondaryDir)).journal?.path, 'direct');
    assert.equal(secondary.status().state, 'degraded');

    const [primary] = running;
    assert.ok(primary !== undefined);
    await stop(primary);
    await settled(secondary, 'to be unavailable', ({ state }) => state === 'unavailable');
    await start(primaryDir);
    await settled(secondary, 'to serve again', ({ state }) => state === 'degraded');
    tool.exec('ROLLBACK');
    tool.close();
    await waitFor('the journal to be used again', async () =>
      (await reportOf(secondaryDir)).journal?.path === 'journal' ? true : undefined,
    );
    await settled(secondary, 'to have handed on', ({ journalPending }) => journalPending === 0);
    for (const type of ['journal.bypassed', 'journal.resumed']) {
      assert.ok(
        (await eventsOf(type)).some(({ origin }) => origin === 'server:secondary'),
        type,
      );
    }
  });

  it('names no object to anyone who asks', async () => {
    await users('alice');
    const secondary = await start(secondaryDir);
    await settled(secondary, 'to be degraded', ({ state }) => state === 'degraded');
    for (const path of ['readyz', 'metrics', 'healthz']) {
      const answer = await fetchText(`${secondary.url}/${path}`);
      assert.ok(!answer.includes('alice'), path);
    }
    assert.deepEqual(
      Object.keys(JSON.parse(await fetchText(`${secondary.url}/readyz`))),
      Object.keys(secondary.status()),
    );
  });

  it('follows the site settings without a restart', async () => {
    const secondary = await start(secondaryDir);
    await settled(secondary, 'to be serving', ({ state }) => state === 'serving');
    const patient = { ...quick, body: { server: { lagLimitMs: 3_600_000, syncIntervalMs: 50 } } };
    await ask(primaryDir, Type.Object({}), '/apply', { objects: [patient] });
    await replicate();
    await settled(secondary, 'to have the settings', ({ database }) => database.lagMs === 0);
    await users('alice');
    const { database, state } = await settled(secondary, 'to lag', status => status.database.lagMs > 1_000);
    assert.ok(database.lagMs > 300 && state === 'serving');
  });
});

describe('join', () => {
  const denied = (pattern: RegExp) => (error: unknown) => error instanceof JoinDenied && pattern.test(error.message);

  it('goes on with the same token when it was cut off before it knew the answer', async () => {
    await start(primaryDir);
    const options = { ...(await joinOptions()), token: await serverToken('https://127.0.0.1:1') };
    const url = { ...options, url: 'https://127.0.0.1:1' };
    const first = await joinSite(url);
    rmSync(join(secondaryDir, 'server.json'));
    for (const file of ['tls.crt', 'data.key', 'statement.json']) rmSync(join(secondaryDir, 'identity', file));
    rmSync(join(secondaryDir, 'ca.crt'));
    assert.equal((await joinSite(url)).siteId, first.siteId);
  });

  it('takes a token once', async () => {
    await start(primaryDir);
    const options = await joinOptions();
    const token = await serverToken(options.url);
    await joinSite({ ...options, token });
    await assert.rejects(joinSite({ ...options, token, dataDir: join(root, 'third') }), denied(/already/));
  });

  it('leaves nothing behind where no server was reached, or the token is refused', async () => {
    const primary = await start(primaryDir);
    const options = await joinOptions();
    const token = await serverToken(options.url);
    await assert.rejects(joinSite({ ...options, token, name: 'other' }), denied(/bound to the name secondary/));
    assert.equal(existsSync(secondaryDir), false);
    await primary.drain();
    await assert.rejects(joinSite({ ...options, token }), { name: 'PrimaryUnreachable' });
    assert.equal(existsSync(secondaryDir), false);
  });

  it('holds the joiner to the name and the URL of its token', async () => {
    await start(primaryDir);
    const options = await joinOptions();
    const token = await serverToken(options.url);
    await assert.rejects(joinSite({ ...options, token, name: 'other' }), denied(/bound to the name secondary/));
    await assert.rejects(joinSite({ ...options, token, url: 'https://127.0.0.1:9' }), denied(/bound/));
    await joinSite({ ...options, token });
  });

  it('sends nothing to a server whose CA is not the one of the token', async () => {
    await start(primaryDir);
    const other = join(root, 'other');
    const port = await freePort();
    const address = { listen: `127.0.0.1:${port}`, url: `https://127.0.0.1:${port}` };
    await initSite({ dataDir: other, name: 'primary', ...address });
    await start(other);
    const options = await joinOptions();
    const { decodeToken, encodeToken } = await import('@thinman/protocol');
    const decoded = decodeToken(await serverToken(options.url));
    assert.ok(decoded.ok);
    const token = encodeToken({ ...decoded.content, urls: [address.url] });
    await assert.rejects(joinSite({ ...options, token }), /its CA is not the one that the token names/);
  });

  it('refuses a database of another site before the token is used', async () => {
    await start(primaryDir);
    const other = join(root, 'other');
    await initSite({ dataDir: other, name: 'primary', listen: '127.0.0.1:1', url: 'https://127.0.0.1:1' });
    const options = await joinOptions();
    const token = await serverToken(options.url);
    const wrong = { ...options, token, database: `sqlite:${join(other, 'site.db')}` };
    await assert.rejects(joinSite(wrong), error => error instanceof ConfigError && /another site/.test(error.message));
    await joinSite({ ...options, token });
  });

  it('says why it takes no SQLite file without being told that this is a trial', async () => {
    await start(primaryDir);
    const { singleHost: _, ...options } = await joinOptions();
    const token = await serverToken(options.url);
    const noDatabase: JoinOptions = { ...options, token };
    await assert.rejects(
      joinSite(noDatabase),
      error => error instanceof ConfigError && /--single-host/.test(error.message),
    );
    const { database: __, ...without } = noDatabase;
    await assert.rejects(joinSite(without), error => error instanceof ConfigError && /--database/.test(error.message));
  });
});
