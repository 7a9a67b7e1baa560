import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DEFAULT_KDF,
  type DerivedLoginRequest,
  encodeStatement,
  loginProofBytes,
  type ObjectKind,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  type RecordedEvent,
  type ServerFrame,
  type ServerState,
  type ServerStatus,
  type SiteStatement,
  type UserBody,
} from '@thinman/protocol';
import pino from 'pino';
import { WebSocket } from 'ws';
import type { DeviceDeps } from '../../packages/server/src/device-plane/device-deps.ts';
import { createDevicePlane, type DevicePlane } from '../../packages/server/src/device-plane/device-plane.ts';
import { followReplica } from '../../packages/server/src/device-plane/site-view.ts';
import { type Directories, noDirectories } from '../../packages/server/src/directory/directories.ts';
import { createFileKeeper } from '../../packages/server/src/files/file-keeper.ts';
import { openFileStore } from '../../packages/server/src/files/file-store.ts';
import { createHttpApp } from '../../packages/server/src/http/app.ts';
import { health } from '../../packages/server/src/http/health.ts';
import { createMetrics } from '../../packages/server/src/http/metrics/metrics.ts';
import {
  createSiteCa,
  openCertificateAuthority,
  type SiteCa,
} from '../../packages/server/src/identity/certificate-authority.ts';
import { createCsr } from '../../packages/server/src/identity/csr.ts';
import { newDataKey, openDataKey } from '../../packages/server/src/identity/data-key.ts';
import { toPem } from '../../packages/server/src/identity/identity-files.ts';
import { keyHashOf } from '../../packages/server/src/identity/key-hash.ts';
import { pinsOf } from '../../packages/server/src/identity/pins.ts';
import { ed25519FromSeed, rawPublicKey } from '../../packages/server/src/identity/raw-keys.ts';
import { createSessionTokens } from '../../packages/server/src/identity/session-tokens.ts';
import { signStatement } from '../../packages/server/src/identity/statement.ts';
import { hashTokenSecret } from '../../packages/server/src/identity/token-secret.ts';
import { openJournal } from '../../packages/server/src/journal/journal.ts';
import type {
  CertificateAuthority,
  Clock,
  Journal,
  PasswordHasher,
  StoredObject,
} from '../../packages/server/src/ports.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { openReplica } from '../../packages/server/src/replica/replica.ts';
import { createSync } from '../../packages/server/src/replica/sync.ts';
import { createEventWriter } from '../../packages/server/src/runtime/event-writer.ts';
import { newSite, PRIMARY, SITE_ID } from './record-fixtures.ts';
import { waitFor } from './wait.ts';

/** The machine's clock, which a test may set forward: TLS looks at the real one. */
type MovableClock = Clock & { forward(byMs: number): void };

function movableClock(): MovableClock {
  let aheadMs = 0;
  return {
    nowMs: () => Date.now() + aheadMs,
    monotonicMs: () => performance.now() + aheadMs,
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs).unref();
      return () => clearTimeout(timer);
    },
    forward(byMs) {
      aheadMs += byMs;
    },
  };
}

/** A device as its server meets it: a key, a certificate, a kept connection. */
export type TestDevice = {
  readonly name: string;
  readonly keyHash: string;
  readonly privateKey: KeyObject;
  readonly tls: { readonly key: string; readonly cert: string } | undefined;
};

export type Answered = {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what is in it is what a test is about
  readonly body: any;
  readonly headers: Record<string, string | string[] | undefined>;
};

export type TestServer = {
  readonly name: string;
  readonly keyHash: string;
  readonly port: number;
  readonly plane: DevicePlane;
  readonly deps: DeviceDeps;
  /** What the journal holds and the source of record does not. */
  pending(): readonly RecordedEvent[];
  become(state: ServerState): void;
  /** Takes what is committed; a Secondary does so only when asked. */
  sync(): Promise<unknown>;
  call(
    device: TestDevice | undefined,
    method: 'GET' | 'POST',
    path: string,
    options?: { readonly body?: unknown; readonly token?: string; readonly headers?: Record<string, string> },
  ): Promise<Answered>;
  channel(device: TestDevice): Promise<TestChannel>;
  close(): Promise<void>;
};

export type TestChannel = {
  readonly frames: ServerFrame[];
  /** The first frame after those seen so far that fits. */
  next<T extends ServerFrame['type']>(type: T): Promise<Extract<ServerFrame, { type: T }>>;
  send(frame: unknown): void;
  readonly socket: WebSocket;
  closed: Promise<{ readonly code: number; readonly reason: string }>;
};

export type DeviceSite = {
  readonly clock: MovableClock;
  readonly primary: TestServer;
  readonly ca: SiteCa;
  readonly authority: CertificateAuthority;
  startSecondary(): Promise<TestServer>;
  put(kind: ObjectKind, name: string, body: object, system?: object): Promise<StoredObject>;
  remove(kind: ObjectKind, name: string): Promise<void>;
  /** A user whose password is `password`, without the cost of Argon2id. */
  addUser(name: string, more?: Partial<UserBody>, password?: string): Promise<StoredObject>;
  /** A device of the site, as enrolment leaves it. */
  addDevice(name: string, body?: object): Promise<TestDevice>;
  /** A stranger's key with a certificate that it signed itself. */
  selfSigned(name: string): Promise<TestDevice>;
  addToken(secret: string, body?: object): Promise<StoredObject>;
  /** The request of one login, proved for this server. */
  loginRequest(
    server: TestServer,
    device: TestDevice,
    user: string,
    password: string,
    loginId?: string,
  ): Promise<DerivedLoginRequest>;
  close(): Promise<void>;
};

export const PASSWORD = 'the-right-password';

/** Stands for Argon2id: what is tested is the server, which never sees one. */
export function userKey(password: string, salt: string): KeyObject {
  return ed25519FromSeed(createHash('sha256').update(`${password}\n${salt}`).digest());
}

const noHasher: PasswordHasher = {
  credential: () => Promise.reject(new Error('the device plane hashes nothing')),
  fits: () => Promise.reject(new Error('the device plane hashes nothing')),
  administrator: () => Promise.reject(new Error('the device plane hashes nothing')),
  administratorFits: () => Promise.reject(new Error('the device plane hashes nothing')),
};

/** The device plane of a site over real TLS: real CA, source of record, replicas, journals. */
export async function createDeviceSite(
  options: { readonly journal?: (real: Journal) => Journal; readonly directories?: Directories } = {},
): Promise<DeviceSite> {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-device-'));
  const clock = movableClock();
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const ca = await createSiteCa(SITE_ID, clock.nowMs());
  const authority = openCertificateAuthority(toPem(ca.key), ca.certificatePem, clock);
  const rawDataKey = newDataKey();
  const record = openSourceOfRecord('sqlite:site.db', { dataDir: folder, siteId: SITE_ID, clock });
  const caCertificates = [ca.certificatePem];

  const keysOf = () => ({
    tls: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    session: generateKeyPairSync('ed25519').privateKey,
  });
  const keys = { primary: keysOf(), secondary: keysOf() };
  const statement: SiteStatement = {
    siteId: SITE_ID,
    epoch: 1,
    version: 1,
    servers: (['primary', 'secondary'] as const).map(role => ({
      name: role,
      url: `https://${role}.example:8443`,
      role,
      keyHash: keyHashOf(keys[role].tls),
      sessionKey: rawPublicKey(keys[role].session),
      wrappingKey: 'd3JhcHBpbmc',
    })),
    caPins: pinsOf(caCertificates),
    directorySuffixes: [],
  };
  const signed = signStatement(statement, ca.key);
  const settings = { kind: 'SiteSettings', name: 'site', body: {}, system: {} } as const;
  await record.initialise(
    newSite({ statement: { ...signed, statement: encodeStatement(statement) }, caCertificates }),
    [settings],
  );

  const servers: TestServer[] = [];

  async function start(name: 'primary' | 'secondary'): Promise<TestServer> {
    const replica = openReplica(join(folder, `${name}-replica.db`), { clock, siteId: SITE_ID });
    const journalFile = openJournal(join(folder, `${name}-journal.db`), { clock });
    const journal = options.journal?.(journalFile) ?? journalFile;
    // Only on request: a test decides when a Secondary learns of something.
    const sync = createSync({ record, replica, clock, intervalMs: 2 ** 30 });
    await sync.syncNow();
    const site = followReplica(replica);
    const dataKey = openDataKey(rawDataKey, SITE_ID);
    const instance = name === 'primary' ? PRIMARY : 'instance-of-the-secondary';
    const { tls, session } = keys[name];
    const certificate = await authority.issueServer(await createCsr(tls), name, ['https://127.0.0.1']);
    const own = { keyHash: keyHashOf(tls), wrappingKey: 'd3JhcHBpbmc' };
    const identity = { siteId: SITE_ID, instance, name, ...own, caCertificates };
    const events = createEventWriter(name, journal, clock);
    const files = createFileKeeper({
      store: openFileStore(join(folder, `${name}-files`)),
      ...{ record, files: site.files, clock, log },
    });
    let state: ServerState = 'serving';
    const deps: DeviceDeps = {
      identity,
      replica,
      site,
      journal,
      dataKey,
      sessions: createSessionTokens(SITE_ID, name, session, clock),
      directories: options.directories ?? noDirectories,
      files,
      events,
      clock,
      metrics: { loginAnswered: () => {} },
      log,
      write: {
        record,
        replica,
        identity,
        hasher: noHasher,
        dataKey,
        events,
        clock,
        syncNow: () => sync.syncNow(),
        restate: async () => {},
        statement: () => statement,
      },
      authority: () => (name === 'primary' ? authority : undefined),
      statement: () => ({ signed, statement }),
      state: () => state,
      primaryReachable: () => name === 'primary',
    };
    const plane = createDevicePlane(deps, randomUUID);
    const http = createHttpApp({ tls: { key: toPem(tls), cert: certificate.pem, ca: caCertificates }, log });
    await http.app.register(plane.routes);
    await http.app.register(
      health({
        status: () => ({ name, state }) as ServerStatus,
        metrics: createMetrics(() => assert.fail('no test asks for metrics here')),
      }),
    );
    http.upgrades.on(plane.channelPath, plane.upgrade);
    const { port } = await http.listen('127.0.0.1', 0);
    const agents = new Map<string, Agent>();
    const agentOf = (device: TestDevice | undefined) => {
      const key = device === undefined ? '' : `${device.keyHash} ${device.tls?.cert}`;
      const agent = agents.get(key) ?? new Agent({ keepAlive: true, ca: caCertificates, ...device?.tls });
      agents.set(key, agent);
      return agent;
    };
    const protocol = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) };

    const server: TestServer = {
      name,
      keyHash: identity.keyHash,
      port,
      plane,
      deps,
      pending: () => journalFile.next(1_000_000),
      become(next) {
        state = next;
        plane.announce();
      },
      sync: () => sync.syncNow(),
      call: (device, method, path, { body, token, headers = {} } = {}) =>
        new Promise((resolve, reject) => {
          const text = body === undefined ? undefined : JSON.stringify(body);
          const sent = httpsRequest(
            {
              host: '127.0.0.1',
              port,
              method,
              path,
              agent: agentOf(device),
              headers: {
                ...protocol,
                ...(text !== undefined && {
                  'content-type': 'application/json',
                  'content-length': Buffer.byteLength(text),
                }),
                ...(token !== undefined && { authorization: `Bearer ${token}` }),
                ...headers,
              },
            },
            answer => {
              let got = '';
              answer.on('data', chunk => {
                got += chunk;
              });
              answer.on('end', () => {
                const parsed = got === '' ? undefined : JSON.parse(got);
                resolve({ status: answer.statusCode ?? 0, body: parsed, headers: answer.headers });
              });
            },
          );
          sent.on('error', reject);
          sent.end(text);
        }),
      channel: device => openChannel(port, device, caCertificates, protocol),
      async close() {
        plane.close();
        for (const agent of agents.values()) agent.destroy();
        await http.app.close();
        await sync.stop();
        await files.stop();
        replica.close();
        journalFile.close();
      },
    };
    servers.push(server);
    return server;
  }

  const primary = await start('primary');
  const by = { instance: PRIMARY, epoch: 1, actor: 'test' };

  const put: DeviceSite['put'] = async (kind, name, body, system = {}) => {
    const outcome = await record.commit(by, async transaction => {
      const before = await transaction.get(kind, name);
      const object = await transaction.put(kind, name, { ...body }, { ...before?.system, ...system });
      return { write: true, result: object };
    });
    if (outcome.kind !== 'committed') throw new Error(outcome.kind);
    await primary.sync();
    return outcome.result;
  };

  const deviceFrom = (name: string, key: KeyObject, cert: string): TestDevice => ({
    name,
    keyHash: keyHashOf(key),
    privateKey: key,
    tls: { key: toPem(key), cert },
  });

  return {
    clock,
    primary,
    ca,
    authority,
    startSecondary: () => start('secondary'),
    put,
    async remove(kind, name) {
      await record.commit(by, async transaction => ({
        write: await transaction.remove(kind, name),
        result: undefined,
      }));
      await primary.sync();
    },
    async addUser(name, more = {}, password = PASSWORD) {
      const salt = randomBytes(16).toString('base64url');
      const publicKey = rawPublicKey(userKey(password, salt));
      const held = primary.deps.replica.get('User', name)?.system.credential as { version: number } | undefined;
      const version = (held?.version ?? 0) + 1;
      return put('User', name, more, {
        credential: { version, kdf: DEFAULT_KDF, salt, publicKey, changedAt: clock.nowMs() },
      });
    },
    async addDevice(name, body = {}) {
      const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
      const issued = await authority.issueDevice(await createCsr(key), randomUUID());
      await put('Device', name, body, {
        keyHash: issued.keyHash,
        certificateSerial: issued.serial,
        certificateExpiresAt: issued.expiresAt,
        enrolledAt: clock.nowMs(),
        enrolledBy: 'test',
      });
      return deviceFrom(name, key, issued.pem);
    },
    async selfSigned(name) {
      const other = await createSiteCa(SITE_ID, clock.nowMs());
      return deviceFrom(name, other.key, other.certificatePem);
    },
    addToken: (secret, body = {}) =>
      put(
        'EnrollmentToken',
        `token-${hashTokenSecret(secret).slice(0, 8)}`,
        { purpose: 'device', uses: 1, expiresAt: new Date(clock.nowMs() + 3_600_000).toISOString(), ...body },
        { secretHash: hashTokenSecret(secret), used: 0 },
      ),
    async loginRequest(server, device, user, password, loginId = randomUUID()) {
      const { body } = await server.call(device, 'POST', '/v1/login/begin', { body: { user } });
      const parts = { siteId: SITE_ID, serverKeyHash: server.keyHash, deviceKeyHash: device.keyHash, user, loginId };
      const proof = sign(null, loginProofBytes(parts), userKey(password, body.salt)).toString('base64url');
      return { loginId, user, method: 'derived', salt: body.salt, kdf: body.kdf, proof };
    },
    async close() {
      await Promise.all(servers.map(server => server.close()));
      await record.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function openChannel(
  port: number,
  device: TestDevice,
  ca: readonly string[],
  headers: Record<string, string>,
): Promise<TestChannel> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/v1/channel`, {
      ca: [...ca],
      ...device.tls,
      headers,
      perMessageDeflate: false,
    });
    const frames: ServerFrame[] = [];
    let seen = 0;
    const closed = new Promise<{ code: number; reason: string }>(ended => {
      socket.on('close', (code, reason) => ended({ code, reason: reason.toString() }));
    });
    socket.on('message', data => frames.push(JSON.parse(data.toString())));
    socket.on('error', reject);
    socket.on('unexpected-response', (_request, answer) => {
      let got = '';
      answer.on('data', chunk => {
        got += chunk;
      });
      answer.on('end', () => reject(Object.assign(new Error('refused'), { refusal: JSON.parse(got) })));
    });
    socket.on('open', () =>
      resolve({
        frames,
        socket,
        closed,
        send: frame => socket.send(JSON.stringify(frame)),
        next: <T extends ServerFrame['type']>(type: T) =>
          waitFor(
            `a frame ${type}`,
            () => {
              const at = frames.findIndex((frame, index) => index >= seen && frame.type === type);
              if (at < 0) return undefined;
              seen = at + 1;
              return frames[at] as Extract<ServerFrame, { type: T }>;
            },
            5_000,
            () => JSON.stringify(frames),
          ),
      }),
    );
  });
}
