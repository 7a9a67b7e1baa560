import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import {
  type AgentStatus,
  type ObjectInput,
  type ObjectKind,
  RecordedEvent,
  TokenAnswer,
  type TokenRequest,
} from '@thinman/protocol';
import Type from 'typebox';
import { openIdentityStore } from '../../packages/agent/src/adapters/identity-store.ts';
import { type Agent, createAgent, type EnrolmentResult, enroll } from '../../packages/agent/src/agent.ts';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';
import { connect, type Question } from '../../packages/server/src/cli/thinman/admin-client.ts';
import { dataFolder } from '../../packages/server/src/config.ts';
import { createLogger } from '../../packages/server/src/http/logger.ts';
import { createServer, type ThinmanServer } from '../../packages/server/src/server.ts';
import { initSite, type NewSite } from '../../packages/server/src/setup/init-site.ts';
import { joinSite } from '../../packages/server/src/setup/join-site.ts';
import { type JumpingClock, jumpingClock } from './jumping-clock.ts';
import { freePort } from './loopback.ts';
import { FAST_TIMINGS } from './timings.ts';
import { waitFor } from './wait.ts';

const Events = Type.Object({ items: Type.Array(RecordedEvent) });

export type LogLine = { readonly level: number; readonly msg: string };

/** A server in this process: real TLS, real files, a clock that a test may set on. */
export type LocalServer = {
  readonly name: string;
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  readonly clock: JumpingClock;
  start(): Promise<void>;
  stop(): Promise<void>;
  running(): ThinmanServer;
  /** Over its admin socket. */
  ask<S extends Type.TSchema>(schema: S, path: string, body?: unknown): Promise<Type.Static<S>>;
  send<S extends Type.TSchema>(schema: S, question: Question): Promise<Type.Static<S>>;
  /** A file of its folder. */
  read(file: string): string;
  /** As Prometheus gets them. */
  metrics(): Promise<string>;
  /** Lines of its log, from info on, over restarts. */
  logged(): readonly LogLine[];
  /** What it shows to whoever connects now. */
  shownCertificate(): Promise<{ readonly serialNumber: string; readonly validToMs: number }>;
};

/** A thin client in this process. */
export type LocalDevice = {
  readonly name: string;
  readonly dir: string;
  identity(): DeviceIdentity;
  start(): Promise<Agent>;
  stop(): Promise<void>;
  running(): Agent;
  waitUntilOnline(): Promise<void>;
};

export type SiteInProcess = {
  readonly root: string;
  readonly made: NewSite;
  readonly primary: LocalServer;
  joinSecondary(): Promise<LocalServer>;
  token(request: TokenRequest): Promise<string>;
  apply(...objects: readonly ObjectInput[]): Promise<void>;
  remove(kind: ObjectKind, name: string): Promise<void>;
  /** Newest first. */
  events(type: string): Promise<readonly RecordedEvent[]>;
  enrol(name: string, token?: string): Promise<LocalDevice>;
  tryToEnrol(name: string, token: string): Promise<EnrolmentResult>;
  close(): Promise<void>;
};

/** What is tested here is the path, not the time: on a loaded machine a login in one process with two servers takes seconds. */
export const PATIENT_TIMINGS = {
  ...FAST_TIMINGS,
  connectDeadlineMs: 15_000,
  loginDeadlineMs: 20_000,
  hedgeDelayMs: 5_000,
};

/** A site on the embedded database, all of it in this process. Draws are 0: what is spread happens at once. */
export async function siteInProcess(): Promise<SiteInProcess> {
  const root = mkdtempSync(join(tmpdir(), 'thinman-site-'));
  const servers: LocalServer[] = [];
  const devices: LocalDevice[] = [];
  const primaryPlace = await place(root, 'primary');
  const made = await initSite({ dataDir: primaryPlace.dir, name: 'primary', ...primaryPlace.address });
  const primary = localServer('primary', primaryPlace);
  servers.push(primary);
  await primary.start();

  const settings = { kind: 'SiteSettings', name: 'site', body: { agent: PATIENT_TIMINGS } };
  await primary.ask(Type.Unknown(), '/apply', { objects: [settings] });

  const token = async (request: TokenRequest) => (await primary.ask(TokenAnswer, '/tokens', request)).token;
  return {
    root,
    made,
    primary,
    token,
    async joinSecondary() {
      const its = await place(root, 'secondary');
      const serverToken = await token({ for: 'server', name: 'secondary', url: its.address.url });
      const database = `sqlite:${join(primary.dir, 'site.db')}`;
      await joinSite({
        token: serverToken,
        dataDir: its.dir,
        name: 'secondary',
        ...its.address,
        database,
        singleHost: true,
      });
      const secondary = localServer('secondary', its);
      servers.push(secondary);
      await secondary.start();
      return secondary;
    },
    async apply(...objects) {
      await primary.ask(Type.Unknown(), '/apply', { objects });
    },
    async remove(kind, name) {
      await primary.send(Type.Unknown(), { method: 'DELETE', path: `/objects/${kind}/${name}` });
    },
    events: async type => (await primary.ask(Events, `/events?limit=1000&type=${type}`)).items,
    tryToEnrol: (name, given) => enroll({ token: given, dataDir: join(root, name), name }),
    async enrol(name, given) {
      const dir = join(root, name);
      const result = await enroll({ token: given ?? (await token({ for: 'device' })), dataDir: dir, name });
      assert.ok(result.ok, result.ok ? '' : result.message);
      const device = localDevice(name, dir);
      devices.push(device);
      return device;
    },
    async close() {
      for (const device of devices) await device.stop();
      for (const server of servers.toReversed()) await server.stop();
      rmSync(root, { recursive: true });
    },
  };
}

type Place = {
  readonly dir: string;
  readonly port: number;
  readonly address: { readonly listen: string; readonly url: string };
};

async function place(root: string, name: string): Promise<Place> {
  const port = await freePort();
  return { dir: join(root, name), port, address: { listen: `127.0.0.1:${port}`, url: `https://127.0.0.1:${port}` } };
}

function localServer(name: string, { dir, port, address }: Place): LocalServer {
  const clock = jumpingClock();
  const lines: LogLine[] = [];
  const destination = {
    write(line: string) {
      lines.push(JSON.parse(line));
      if (process.env.TEST_LOG !== undefined) process.stdout.write(line);
    },
  };
  let server: ThinmanServer | undefined;
  const send: LocalServer['send'] = async (schema, question) => {
    const client = connect({ kind: 'socket', path: dataFolder(dir).adminSocket, data: dir });
    try {
      return await client.ask(schema, question);
    } finally {
      await client.close();
    }
  };
  return {
    ...{ name, dir, port, clock, url: address.url },
    async start() {
      const level = process.env.TEST_LOG ?? 'info';
      server = createServer({ dataDir: dir, clock, random: () => 0, log: createLogger({ level, destination }) });
      await server.start();
    },
    async stop() {
      await server?.drain();
      server = undefined;
    },
    running() {
      assert.ok(server);
      return server;
    },
    send,
    logged: () => lines,
    metrics: () =>
      new Promise((resolve, reject) => {
        const ca = readFileSync(join(dir, 'ca.crt'));
        get(`${address.url}/metrics`, { ca, agent: false }, answer => void text(answer).then(resolve, reject)).on(
          'error',
          reject,
        );
      }),
    ask: (schema, path, body) => send(schema, body === undefined ? { path } : { method: 'POST', path, body }),
    read: file => readFileSync(join(dir, file), 'utf8'),
    shownCertificate: () =>
      new Promise((resolve, reject) => {
        const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
          const { serialNumber, valid_to } = socket.getPeerCertificate();
          socket.destroy();
          resolve({ serialNumber, validToMs: Date.parse(valid_to) });
        }).on('error', reject);
      }),
  };
}

function localDevice(name: string, dir: string): LocalDevice {
  const store = openIdentityStore(join(dir, 'identity'));
  let agent: Agent | undefined;
  const running = () => {
    assert.ok(agent);
    return agent;
  };
  return {
    ...{ name, dir, running },
    identity() {
      const identity = store.load();
      assert.ok(identity);
      return identity;
    },
    async start() {
      agent = createAgent({ dataDir: dir, localSockets: false, random: () => 0 });
      await agent.start();
      return agent;
    },
    async stop() {
      await agent?.stop();
      agent = undefined;
    },
    async waitUntilOnline() {
      // With a bundle it knows its timings.
      const isReady = ({ mode, generation }: AgentStatus) => mode === 'online' && generation > 0;
      await waitFor(`${name} to be on line`, () => isReady(running().status()) || undefined);
    },
  };
}
