import {
  type AgentTimings,
  DEFAULT_AGENT_TIMINGS,
  type DeviceBundle,
  type EffectiveSettings,
  type LoginBeginAnswer,
  type Problem,
  problem,
  type ServerState,
  type SiteStatement,
  type StatementServer,
  type ThinmanEvent,
} from '@thinman/protocol';
import type {
  Answer,
  BaseKey,
  ChannelConnector,
  ChannelListener,
  Clock,
  FailureReason,
  OpenSessionWords,
  Sealing,
  ServerClient,
  SessionStore,
} from '../../packages/agent/src/ports.ts';
import { createRunner, type Runner } from '../../packages/agent/src/runtime/runner.ts';
import type { OpenSession } from '../../packages/agent/src/runtime/session-watch.ts';
import { emptyDevice, memoryCache, type StoredDevice } from './memory-cache.ts';
import { answerLogin, bundleOf, methodOf, modelProof, type SiteView, versionOf, wordsOf } from './model-site.ts';

/** How a simulated server behaves at the moment. */
export type Condition =
  /** Answers after its delay. */
  | 'up'
  /** Its port refuses at once. */
  | 'dead'
  /** Takes everything and answers nothing. */
  | 'hung';

export type SimulatedServer = {
  readonly name: string;
  condition: Condition;
  state: ServerState;
  view: SiteView;
  /** One way there and back, ms. */
  delayMs: number;
  /** `hung` for logins alone: the request is taken and never answered. */
  swallowsLogins: boolean;
  /** It takes events over the channel. */
  takesFrames: boolean;
  /** Said in each hello; 0: not at all. */
  crowdMs: number;
  /** Only its channel is out of reach. */
  refusesChannels: boolean;
  /** What it was asked, in order. */
  readonly asked: string[];
  /** How long it got for each connection of a search, ms. */
  readonly connectDeadlines: number[];
  /** Whom its hellos named, by id. */
  readonly hellos: (readonly string[])[];
  /** Logins that proved an open session: the id of each, and what was said of the session. */
  readonly proofs: { readonly loginId: string; readonly proved: OpenSessionWords }[];
  readonly events: ThinmanEvent[];
  /** Cuts channels, as a kill does. */
  kill(): void;
  /** Tells devices that a bundle has changed: the device's own, or a user's. */
  tellChanged(userId?: string): void;
  /** Tells devices to forget all users. */
  wipe(number: number): void;
  goaway(): void;
};

export type Simulation = {
  readonly runner: Runner;
  readonly device: StoredDevice;
  readonly defects: unknown[];
  server(name: string): SimulatedServer;
};

const SITE_ID = '00000000-0000-4000-8000-000000000001';
const DEVICE_ID = '00000000-0000-4000-8000-000000000002';
const KEY = 'k'.repeat(43);

export function statementOf(names: readonly string[], version = 1): SiteStatement {
  const servers = names.map((name, at) => ({
    name,
    url: `https://${name}.test:8443`,
    role: at === 0 ? ('primary' as const) : ('secondary' as const),
    keyHash: name.padEnd(43, '-').slice(0, 43),
    sessionKey: KEY,
    wrappingKey: KEY,
  }));
  return { siteId: SITE_ID, epoch: 1, version, servers, caPins: [KEY], directorySuffixes: ['lab.test'] };
}

/** An agent's real runner and core, in a world of simulated servers on a clock that the test moves. */
export function simulate(options: {
  readonly clock: Clock;
  readonly servers: readonly string[];
  readonly view: SiteView;
  readonly device?: StoredDevice;
  readonly timings?: Partial<AgentTimings>;
  /** What servers take for the time, Unix ms; default: what the device's own clock says. */
  readonly serverNowMs?: () => number;
  /** The device's policy, as every server gives it. */
  readonly settings?: () => EffectiveSettings;
  readonly onSession?: (session: OpenSession | null) => void;
  /** Who works here, over a restart. */
  readonly sessions?: SessionStore;
  /** What deriving a key takes, ms; 0: nothing. */
  readonly deriveMs?: number;
  /** Runs what is put behind the answer to a login; default: at once, before it. */
  readonly behindAnswer?: (work: () => void) => void;
}): Simulation {
  const { clock, serverNowMs = clock.nowMs } = options;
  const statement = statementOf(options.servers);
  const device = options.device ?? emptyDevice();
  const channels = new Map<string, Set<ChannelListener>>();
  const servers = new Map(options.servers.map(name => [name, makeServer(name)]));
  const timings = { ...DEFAULT_AGENT_TIMINGS, ...options.timings };
  const defects: unknown[] = [];
  let ids = 0;

  function makeServer(name: string): SimulatedServer {
    const listeners = new Set<ChannelListener>();
    channels.set(name, listeners);
    return {
      name,
      condition: 'up',
      state: 'serving',
      view: options.view,
      delayMs: 1,
      swallowsLogins: false,
      takesFrames: true,
      crowdMs: 0,
      refusesChannels: false,
      asked: [],
      connectDeadlines: [],
      proofs: [],
      hellos: [],
      events: [],
      kill() {
        this.condition = 'dead';
        for (const listener of [...listeners]) closeChannel(name, listener, 'reset');
      },
      tellChanged(userId) {
        const version = versionOf(this.view.generation);
        const more = userId === undefined ? {} : { userId };
        for (const listener of listeners) listener.onFrame({ type: 'changed', version, ...more });
      },
      wipe(number) {
        const version = versionOf(this.view.generation);
        const bundle = { ...deviceBundle(version, timings), etag: `wipe-${number}`, wipe: number };
        for (const listener of listeners) listener.onFrame({ type: 'changed', version, bundle });
      },
      goaway() {
        this.state = 'draining';
        for (const listener of listeners) listener.onFrame({ type: 'goaway' });
      },
    };
  }

  function closeChannel(name: string, listener: ChannelListener, reason: FailureReason): void {
    if (channels.get(name)?.delete(listener)) listener.onClosed({ reason, detail: 'simulated' });
  }

  function find(name: string): SimulatedServer {
    const server = servers.get(name);
    if (server === undefined) throw new Error(`no server ${name}`);
    return server;
  }

  /** The way of a request: refused, swallowed, or answered after the delay, unless the signal ends it. */
  function call<T>(
    target: StatementServer,
    what: string,
    signal: AbortSignal,
    work: () => T | Problem,
  ): Promise<Answer<T>> {
    const server = find(target.name);
    server.asked.push(what);
    const startedMs = clock.monotonicMs();
    const elapsedMs = () => clock.monotonicMs() - startedMs;
    const failed = (reason: FailureReason): Answer<T> => ({
      kind: 'failed',
      reason,
      detail: what,
      elapsedMs: elapsedMs(),
    });
    if (server.condition === 'dead') return Promise.resolve(failed('refused'));
    return new Promise(resolve => {
      signal.addEventListener('abort', () => resolve(failed('aborted')), { once: true });
      const answer = () => {
        if (server.condition === 'dead') return resolve(failed('reset'));
        if (server.condition === 'hung' || (what === 'login' && server.swallowsLogins)) return;
        const value = work();
        if (isProblem(value)) resolve({ kind: 'problem', problem: value, body: value, elapsedMs: elapsedMs() });
        else resolve({ kind: 'ok', value, elapsedMs: elapsedMs() });
      };
      if (server.delayMs === 0) answer();
      else clock.after(server.delayMs, answer);
    });
  }

  const facts = (server: SimulatedServer, target: StatementServer) => ({
    name: server.name,
    keyHash: target.keyHash,
    nowMs: serverNowMs(),
  });

  const client: ServerClient = {
    changePassword: async () => ({ kind: 'failed', reason: 'reset', detail: 'not in this model', elapsedMs: 0 }),
    readyz: (target, signal) =>
      call(target, 'readyz', signal, () => {
        const { name, state, view } = find(target.name);
        return {
          name,
          role: target.role,
          state,
          ...versionOf(view.generation),
          database: { kind: 'sqlite', reachable: true, lagMs: 0 },
          connectedDevices: 0,
          journalPending: 0,
          version: '0',
          schema: 1,
        };
      }),
    begin: (target, user, signal) =>
      call<LoginBeginAnswer>(target, 'begin', signal, () => methodOf(find(target.name).view, user)),
    login: (target, request, _known, signal, proved) =>
      call(target, 'login', signal, () => {
        const server = find(target.name);
        if (proved !== undefined) server.proofs.push({ loginId: request.loginId, proved });
        return answerLogin(server.view, request, facts(server, target));
      }),
    deviceBundle: (target, _etag, signal) =>
      call(target, 'device bundle', signal, () => {
        const version = versionOf(find(target.name).view.generation);
        return { changed: true, bundle: deviceBundle(version, timings, options.settings?.()) };
      }),
    userBundle: (target, _token, etag, signal) =>
      call(target, 'user bundle', signal, () => {
        const { view } = find(target.name);
        const user = Object.values(view.users).find(each => etag?.startsWith(`etag-${each.userId.at(-1)}-`));
        const bundle = user === undefined ? undefined : bundleOf(view, user);
        if (bundle === undefined || bundle.etag === etag)
          return { changed: false, version: versionOf(view.generation) };
        return { changed: true, bundle };
      }),
    refreshSession: (target, token, signal) =>
      call(target, 'session', signal, () => ({
        session: { token, expiresAt: serverNowMs() + 900_000 },
        subject: versionOf(find(target.name).view.generation),
        serverTime: serverNowMs(),
      })),
    vouch: (target, _request, signal) => call<never>(target, 'vouch', signal, () => problem('session_invalid')),
    logout: (target, _token, signal) => call(target, 'logout', signal, () => ({ ended: true })),
    sendEvents: (target, events, signal) =>
      call(target, 'events', signal, () => {
        find(target.name).events.push(...events);
        return { stored: events.map(({ id }) => id) };
      }),
    renew: (target, _csr, signal) => call<never>(target, 'renew', signal, () => problem('not_primary')),
    roundTripMs: () => undefined,
    reset() {},
    close: async () => {},
  };

  const connector: ChannelConnector = {
    readyz(target, connectDeadlineMs, signal) {
      find(target.name).connectDeadlines.push(connectDeadlineMs);
      return client.readyz(target, signal);
    },
    reset() {},
    open(target, deadlineMs, pingMs, listener) {
      const server = find(target.name);
      const listeners = channels.get(target.name) ?? new Set();
      listeners.add(listener);
      const close = (reason: FailureReason) => closeChannel(target.name, listener, reason);
      server.asked.push('channel');
      if (server.condition === 'dead' || server.refusesChannels) queueMicrotask(() => close('refused'));
      else if (server.delayMs === 0) queueMicrotask(() => listener.onOpen());
      else if (server.condition === 'hung') clock.after(deadlineMs, () => close('timeout'));
      else clock.after(server.delayMs, () => listener.onOpen());
      let misses = 0;
      const ping = () => {
        if (!listeners.has(listener)) return;
        misses = server.condition === 'up' ? 0 : misses + 1;
        if (misses === 0) listener.onAlive();
        if (misses > 2) close('timeout');
        else clock.after(pingMs, ping);
      };
      clock.after(pingMs, ping);
      return {
        send(frame) {
          if (frame.type === 'events') {
            server.asked.push('events');
            // On its disk before the answer leaves: what dies in between has it, and is sent it again.
            clock.after(server.delayMs, () => {
              if (server.condition !== 'up' || !listeners.has(listener)) return;
              server.events.push(...frame.events);
              clock.after(server.delayMs, () => {
                if (server.condition !== 'up' || !listeners.has(listener)) return;
                listener.onFrame({ type: 'stored', id: frame.id, stored: frame.events.map(({ id }) => id) });
              });
            });
          }
          if (frame.type !== 'hello' || server.condition !== 'up' || !listeners.has(listener)) return;
          const { name, state, view } = server;
          server.hellos.push(frame.users);
          listener.onFrame({
            type: 'hello',
            server: name,
            state,
            version: versionOf(view.generation),
            statement: { statement: JSON.stringify(statement), signature: '', signedBy: KEY },
            serverTime: serverNowMs(),
            users: [...wordsOf(view, frame.users)],
            ...(server.takesFrames && { takesEvents: true }),
            ...(server.crowdMs > 0 && { crowdMs: server.crowdMs }),
          });
        },
        ping(onPong) {
          server.asked.push('ping');
          if (server.condition === 'up' && listeners.has(listener)) clock.after(server.delayMs, onPong);
        },
        close: () => void listeners.delete(listener),
      };
    },
  };

  const runner = createRunner({
    identity: {
      siteId: SITE_ID,
      deviceId: DEVICE_ID,
      name: 'tc-1',
      privateKey: '',
      certificate: '',
      caCertificates: [],
      keyHash: KEY,
      deviceSecret: Buffer.alloc(32),
    },
    identityStore: {
      load: () => undefined,
      save() {},
      saveCertificate() {},
      saveCaCertificates() {},
      loadStatement: () => undefined,
      saveStatement() {},
    },
    client,
    channels: connector,
    hasher: {
      derive(password, salt) {
        const key = modelKey(password, salt);
        const { deriveMs = 0 } = options;
        return deriveMs === 0
          ? Promise.resolve(key)
          : new Promise(resolve => clock.after(deriveMs, () => resolve(key)));
      },
    },
    sealing: modelSealing,
    cache: memoryCache(device),
    clock,
    random: () => 0.5,
    uuid: () => `00000000-0000-4000-8000-${(++ids).toString(16).padStart(12, '0')}`,
    verifyStatement: signed => JSON.parse(signed.statement) as SiteStatement,
    agentVersion: 'test',
    statement,
    onDefect: error => defects.push(error),
    ...(options.onSession !== undefined && { onSession: options.onSession }),
    ...(options.sessions !== undefined && { sessions: options.sessions }),
    ...(options.behindAnswer !== undefined && { behindAnswer: options.behindAnswer }),
  });
  if (device.bundle === undefined) device.bundle = deviceBundle(versionOf(0), timings, options.settings?.());
  return { runner, device, defects, server: find };
}

function deviceBundle(
  version: DeviceBundle['version'],
  timings: AgentTimings,
  settings: EffectiveSettings = {},
): DeviceBundle {
  return {
    version,
    etag: 'device',
    device: { id: DEVICE_ID, name: 'tc-1', group: null },
    settings,
    profile: { connections: [] },
    timings,
  };
}

function modelKey(password: string, salt: string): BaseKey {
  return {
    keysFor: userId => ({
      changeProof: () => '',
      proof: ({ serverKeyHash, loginId }) => modelProof(password, salt, serverKeyHash, loginId),
      publicKey: `${password}|${salt}`,
      seal: Buffer.from(`${password}|${salt}|${userId}`),
      dispose() {},
    }),
    dispose() {},
  };
}

/** Opens under the keys and for the row that it was sealed with, like the real one. */
const modelSealing: Sealing = {
  seal: (bundle, keys, about) => Buffer.from(JSON.stringify([keys.seal.toString(), about, bundle])),
  open(sealed, keys, about) {
    const [key, sealedAbout, bundle] = JSON.parse(sealed.toString());
    const fits = key === keys.seal.toString() && JSON.stringify(sealedAbout) === JSON.stringify(about);
    return fits ? bundle : undefined;
  },
};

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && 'title' in value;
}
