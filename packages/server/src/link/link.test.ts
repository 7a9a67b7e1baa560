import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { Missing, RecordedEvent, ServerStatus, SiteStatement, StatementServer, Version } from '@thinman/protocol';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { waitFor } from '../../../../test/support/wait.ts';
import { createSiteCa, openCertificateAuthority, type SiteCa } from '../identity/certificate-authority.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { signStatement } from '../identity/statement.ts';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { CertificateAuthority } from '../ports.ts';
import { systemClock } from '../runtime/clock.ts';
import { inChunks } from './chunks.ts';
import type { FactExchange } from './fact-exchange.ts';
import { type LinkClient, type LinkClientOptions, openLink } from './link-client.ts';
import { createLinkServer, type LinkServer } from './link-server.ts';

const log = pino({ level: 'silent' });
const siteId = randomUUID();
const raw = 'A'.repeat(43);
const status: ServerStatus = {
  name: 'secondary',
  role: 'secondary',
  state: 'serving',
  epoch: 1,
  generation: 1,
  database: { kind: 'sqlite', reachable: true, lagMs: 0 },
  connectedDevices: 3,
  journalPending: 0,
  version: '0',
  schema: 1,
};

type Host = {
  readonly name: string;
  readonly key: KeyObject;
  readonly tls: { keyPem: string; certificatePem: string };
};

let site: SiteCa;
let ca: CertificateAuthority;
let primary: Host;
let secondary: Host;
let https: Server;
let server: LinkServer;
let held: HeldStatement;
let version: Version;
let stored: RecordedEvent[];
let databaseIsThere: boolean;
let storing: Promise<void>;
let isPrimary: boolean;
let missingSince: (has: Version) => Missing;
let facts: Pick<FactExchange, 'meet'>;
const noFacts: typeof facts = { meet: () => ({ take: async () => {}, leave: () => {} }) };
/** Half of what a handshake may take: so it was not that deadline. */
const BEFORE_DEADLINE_MS = 2_500;
const links: LinkClient[] = [];
const connections = new Set<TLSSocket>();

function cutConnections() {
  for (const connection of connections) connection.destroy();
}

async function makeHost(name: string): Promise<Host> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { pem } = await ca.issueServer(await createCsr(privateKey), name, ['https://127.0.0.1:1']);
  return { name, key: privateKey, tls: { keyPem: toPem(privateKey), certificatePem: pem } };
}

function hold(servers: readonly StatementServer[], epoch = 1): HeldStatement {
  const statement: SiteStatement = {
    ...{ siteId, epoch, version: 1, caPins: [keyHashOf(site.key)], directorySuffixes: [] },
    servers: [...servers],
  };
  return { statement, signed: signStatement(statement, site.key) };
}

function entry(host: Host, role: 'primary' | 'secondary', key = host.key): StatementServer {
  const url = `https://127.0.0.1:${(https.address() as AddressInfo).port}`;
  return { name: host.name, url, role, keyHash: keyHashOf(key), sessionKey: raw, wrappingKey: raw };
}

function event(origin: string, takenBy = 'secondary'): RecordedEvent {
  return { id: randomUUID(), type: 'login', at: 1, data: {}, origin, takenBy, takenAt: 2 };
}

function link(more: Partial<LinkClientOptions> = {}): LinkClient {
  const opened = openLink({
    identity: { name: 'secondary', tls: secondary.tls, caCertificates: [site.certificatePem] },
    statement: () => held.statement,
    status: () => status,
    onCommitted: () => {},
    onConnected: () => {},
    facts: noFacts,
    clock: systemClock,
    random: () => 0,
    log,
    ...more,
  });
  links.push(opened);
  return opened;
}

const connected = (more: Partial<LinkClientOptions> = {}) =>
  new Promise<LinkClient>(resolve => {
    const opened = link({ ...more, onConnected: () => resolve(opened) });
  });

beforeEach(async () => {
  site = await createSiteCa(siteId, Date.now());
  ca = openCertificateAuthority(toPem(site.key), site.certificatePem, systemClock);
  [primary, secondary] = [await makeHost('primary'), await makeHost('secondary')];
  facts = noFacts;
  storing = Promise.resolve();
  missingSince = () => ({ count: 0, objects: [] });
  [stored, databaseIsThere, isPrimary, version] = [[], true, true, { epoch: 1, generation: 7 }];
  const { keyPem: key, certificatePem: cert } = primary.tls;
  // As the real server: the link judges the peer's key itself.
  https = createServer({ key, cert, ca: site.certificatePem, requestCert: true, rejectUnauthorized: false });
  https.on('secureConnection', connection => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
  });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  held = hold([entry(primary, 'primary'), entry(secondary, 'secondary')]);
  server = createLinkServer({
    isPrimary: () => isPrimary,
    statement: () => held,
    version: () => version,
    missingSince: has => missingSince(has),
    facts: { meet: (...about) => facts.meet(...about) },
    storeEvents: async events => {
      if (!databaseIsThere) throw new Error('the database is away');
      await storing;
      stored.push(...events);
    },
    clock: systemClock,
    log,
  });
  https.on('upgrade', (request, socket, head) => server.handleUpgrade(request, socket, head));
});

afterEach(async () => {
  for (const opened of links.splice(0)) opened.close();
  server.close();
  https.close();
  cutConnections();
  await once(https, 'close');
});

describe('the link', () => {
  it('hands events on until they are in the source of record', async () => {
    const opened = await connected();
    const events = [event('device:tc-1'), event('server:secondary')];
    assert.equal(await opened.deliver(events), 'stored');
    assert.deepEqual(stored, events);
  });

  it('hands on more than fits one frame, in order', async () => {
    const opened = await connected();
    const events = Array.from({ length: 250 }, () => ({ ...event('device:tc-1'), data: { text: 'x'.repeat(4_000) } }));
    assert.equal(await opened.deliver(events), 'stored');
    assert.deepEqual(
      stored.map(({ id }) => id),
      events.map(({ id }) => id),
    );
  });

  it('says so when the database cannot take them, and when there is no link', async () => {
    const opened = await connected();
    databaseIsThere = false;
    assert.equal(await opened.deliver([event('device:tc-1')]), 'refused');
    opened.close();
    assert.equal(await opened.deliver([event('device:tc-1')]), 'no_link');
  });

  it('takes no more batches than it stores: a database that is slow fills no memory', async () => {
    const opened = await connected();
    const slow = Promise.withResolvers<void>();
    storing = slow.promise;
    const early = Array.from({ length: 4 }, () => opened.deliver([event('device:tc-1')]));
    assert.equal(await opened.deliver([event('device:tc-1')]), 'refused');
    slow.resolve();
    assert.deepEqual(
      await Promise.all(early),
      early.map(() => 'stored'),
    );
    assert.equal(await opened.deliver([event('device:tc-1')]), 'stored');
  });

  it('stores nothing that another server is said to have taken or done', async () => {
    const opened = await connected();
    assert.equal(await opened.deliver([event('device:tc-1', 'primary')]), 'refused');
    assert.equal(await opened.deliver([event('server:primary')]), 'refused');
    assert.deepEqual(stored, []);
  });

  it('tells the Secondary what is committed, at first and after each commit', async () => {
    const heard: Version[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    await connected({
      onCommitted: (committed, statement) => {
        heard.push(committed);
        assert.equal(statement.statement, held.signed.statement);
        if (heard.length === 1) {
          version = { epoch: 1, generation: 8 };
          server.announce();
        } else resolve();
      },
    });
    await promise;
    assert.deepEqual(heard, [
      { epoch: 1, generation: 7 },
      { epoch: 1, generation: 8 },
    ]);
  });

  it('comes back by itself', async () => {
    let times = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const opened = link({
      onConnected: () => {
        times += 1;
        if (times === 1) cutConnections();
        else resolve();
      },
    });
    await promise;
    assert.equal(await opened.deliver([event('device:tc-1')]), 'stored');
  });

  describe('when another server becomes the Primary', () => {
    let mine: SiteStatement;
    let statementHeard: () => void;
    beforeEach(async () => {
      const promoted = await makeHost('promoted');
      mine = held.statement;
      statementHeard = () => {
        const former = mine.servers.map(server => ({ ...server, role: 'secondary' as const }));
        const named = { ...entry(promoted, 'primary'), url: 'https://127.0.0.1:1' };
        mine = { ...mine, epoch: 2, version: 2, servers: [named, ...former] };
      };
    });

    for (const told of [true, false]) {
      it(`gives up an attempt that is under way, ${told ? 'at once' : 'whenever it arrives'}: nothing goes to the former one`, async () => {
        // It hangs in the middle of the handshake, and thaws: it has not heard of anything.
        const upgraded = Promise.withResolvers<() => void>();
        https.removeAllListeners('upgrade');
        https.on('upgrade', (request, socket, head) =>
          upgraded.resolve(() => server.handleUpgrade(request, socket, head)),
        );
        let met = 0;
        const opened = link({ statement: () => mine, onConnected: () => met++ });
        const thaw = await upgraded.promise;
        statementHeard();
        if (told) opened.follow();
        else thaw();
        await waitFor('the connection to end', () => connections.size === 0 || undefined, BEFORE_DEADLINE_MS);
        thaw();
        assert.deepEqual([met, opened.connected()], [0, false]);
        assert.equal(await opened.deliver([event('device:tc-1')]), 'no_link');
        assert.deepEqual(stored, []);
      });
    }

    it('believes no word of the former one that is still on the way', async () => {
      const opened = await connected({ statement: () => mine });
      const delivery = opened.deliver([event('device:tc-1')]);
      statementHeard();
      assert.equal(await delivery, 'no_link');
      assert.equal(opened.connected(), false);
    });
  });

  it('is cut when the Secondary leaves the statement', async () => {
    const opened = await connected();
    held = hold([entry(primary, 'primary')], 2);
    server.announce();
    assert.equal(await opened.deliver([event('device:tc-1')]), 'no_link');
    assert.deepEqual(server.secondaries(), []);
  });
});

describe('what the Secondary lacks', () => {
  const missing = (...generations: number[]): Missing => ({
    count: generations.length,
    objects: generations.map(generation => ({ kind: 'User', name: `user-${generation}`, generation })),
  });
  const since = (has: Version) => missing(...[9, 8, 7].filter(generation => generation > has.generation));

  it('is told by name: at first what came after its own version, and anew when it has moved on but is still behind', async () => {
    version = { epoch: 1, generation: 9 };
    missingSince = since;
    let generation = 6;
    const touched: (Missing | undefined)[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const opened = link({
      status: () => ({ ...status, generation }),
      onCommitted(_version, _statement, missed) {
        touched.push(missed);
        if (touched.length === 3) return resolve();
        generation++;
        opened.tellStatus();
      },
    });
    await promise;
    assert.deepEqual(touched, [missing(9, 8, 7), missing(9, 8), missing(9)]);
    generation = 9;
    opened.tellStatus();
    assert.equal(await opened.deliver([event('device:tc-1')]), 'stored');
    assert.equal(touched.length, 3, 'who lacks nothing is told nothing');
  });

  it('is in the report of the Primary, also when its link is gone, and of one that was never there', async () => {
    const third = await makeHost('third');
    held = hold([entry(primary, 'primary'), entry(secondary, 'secondary'), entry(third, 'secondary')]);
    version = { epoch: 1, generation: 9 };
    missingSince = since;
    const opened = await connected({
      status: () => ({ ...status, state: 'degraded', generation: 8, database: { ...status.database, lagMs: 31_000 } }),
    });
    await opened.deliver([event('device:tc-1')]);
    const told = {
      ...{ state: 'degraded', epoch: 1, generation: 8, lagMs: 31_000, journalPending: 0 },
      ...{ version: status.version, missing: missing(9) },
    };
    const never = { state: null, epoch: 0, generation: 0, lagMs: 0, journalPending: 0, missing: missing(9, 8, 7) };
    assert.deepEqual(server.report(), [
      { name: 'secondary', linked: true, ...told },
      { name: 'third', linked: false, ...never },
    ]);
    opened.close();
    await waitFor('the link to be gone', () => server.secondaries().length === 0 || undefined);
    assert.deepEqual(server.report()[0], { name: 'secondary', linked: false, ...told });
  });
});

describe('frames of another version', () => {
  it('are left out where their type is not known, and end the link where they are no frames', async () => {
    const told: string[] = [];
    const socket = (text: string) =>
      new Promise<number>(resolve => {
        const { port } = https.address() as AddressInfo;
        const { keyPem: key, certificatePem: cert } = secondary.tls;
        const mine = new WebSocket(`wss://127.0.0.1:${port}/v1/link`, { ca: site.certificatePem, key, cert });
        mine.on('open', () => {
          mine.send(text);
          mine.send(JSON.stringify({ type: 'status', status }));
        });
        mine.on('message', data => {
          told.push(JSON.parse(data.toString()).type);
          mine.close(1000);
        });
        mine.on('close', resolve);
      });
    assert.equal(await socket(JSON.stringify({ type: 'weather', sunny: true })), 1000);
    assert.deepEqual(told, ['committed']);
    for (const bad of ['{', '[]', JSON.stringify({ type: 'status' }), JSON.stringify({ type: 7 })]) {
      assert.equal(await socket(bad), 1007, bad);
    }
  });
});

describe('a Secondary that has left the statement', () => {
  it('is heard no more, whatever is still on the way', async () => {
    const taken: unknown[] = [];
    facts = { meet: () => ({ take: async frame => void taken.push(frame), leave: () => {} }) };
    const opened = await connected();
    held = hold([entry(primary, 'primary')], 2);
    assert.equal(await opened.deliver([event('device:tc-1')]), 'no_link');
    assert.deepEqual([stored, taken], [[], []]);
  });
});

describe('who is no peer of the link', () => {
  /** Tries once: resolves with what the TLS layer or the upgrade said. */
  const failure = (more: Partial<LinkClientOptions>) =>
    new Promise<string>((resolve, reject) => {
      const debug = (about: { err?: Error }) => resolve(about.err?.message ?? '');
      link({
        log: Object.assign(pino({ level: 'silent' }), { debug }),
        onConnected: () => reject(new Error('connected')),
        ...more,
      });
    });

  it('a Primary whose key is not in the statement, though its chain is valid', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const twisted = hold([entry(primary, 'primary', other), entry(secondary, 'secondary')]);
    assert.match(await failure({ statement: () => twisted.statement }), /statement/);
  });

  it('a Primary of another CA', async () => {
    const foreign = await createSiteCa(siteId, Date.now());
    const identity = { name: 'secondary', tls: secondary.tls, caCertificates: [foreign.certificatePem] };
    assert.match(await failure({ identity }), /certificate/);
  });

  it('a Secondary whose key is not in the statement, and a device', async () => {
    const stranger = await makeHost('secondary');
    const identity = { name: 'secondary', tls: stranger.tls, caCertificates: [site.certificatePem] };
    assert.match(await failure({ identity }), /403/);
  });

  it('any server, when we are no Primary', async () => {
    isPrimary = false;
    assert.match(await failure({}), /403/);
  });
});

describe('frames of events', () => {
  it('hold no more than the frame takes, and lose nothing', () => {
    const events = Array.from({ length: 350 }, (_, i) => ({
      ...event('device:tc-1'),
      data: { text: 'é'.repeat(i * 20) },
    }));
    const chunks = inChunks(events, 100, 20_000);
    assert.deepEqual(chunks.flat(), events);
    for (const chunk of chunks) {
      assert.ok(chunk.length <= 100);
      assert.ok(chunk.length === 1 || Buffer.byteLength(JSON.stringify(chunk)) <= 20_000 + 1);
    }
    assert.deepEqual(inChunks([], 100), []);
  });
});
