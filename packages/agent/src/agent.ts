import { randomUUID } from 'node:crypto';
import {
  type AgentMode,
  type AgentStatus,
  DEFAULT_AGENT_TIMINGS,
  type DeviceBundle,
  type LoginResult,
  type PasswordResult,
  type SessionView,
  type SignedStatement,
  type SiteStatement,
  type StatementServer,
} from '@thinman/protocol';
import { addressFile } from './adapters/address-file.ts';
import { quickestArgon2id } from './adapters/argon2.ts';
import { openCache } from './adapters/cache.ts';
import { removeCacheFiles } from './adapters/cache-file.ts';
import { lockDataFolder } from './adapters/cache-lock.ts';
import { createChannelConnector } from './adapters/channel.ts';
import { systemClock } from './adapters/clock.ts';
import { casOf, certificateKeyHash, issuerOf } from './adapters/device-key.ts';
import { deviceSecret, type SecretState } from './adapters/device-secret.ts';
import { createFileCache } from './adapters/file-cache.ts';
import { createFileSource } from './adapters/file-source.ts';
import { createHasher } from './adapters/hasher.ts';
import { readHostFacts } from './adapters/host-facts.ts';
import { watchHost } from './adapters/host-watch.ts';
import { createServerClient } from './adapters/http-client.ts';
import { openIdentityStore } from './adapters/identity-store.ts';
import { createRenewal } from './adapters/renewal.ts';
import { createRoundTrips } from './adapters/round-trips.ts';
import { createSealing } from './adapters/sealing.ts';
import { sessionFile } from './adapters/session-file.ts';
import { verifyStatement } from './adapters/statement.ts';
import { systemdCreds } from './adapters/systemd-creds.ts';
import { createApplication } from './apply/application.ts';
import type { Applier } from './apply/applier.ts';
import type { ClientOptions } from './apply/connections/start-client.ts';
import { agentPaths, prepareDataFolder } from './config.ts';
import { searchConnectMs } from './core/health.ts';
import type { Greeter } from './local/greeter/greeter-server.ts';
import { createLocalServers, type LocalServers } from './local/local-servers.ts';
import { readLocalSettings, unixAccountSettings } from './local/local-settings.ts';
import type { Cache, Clock, Random } from './ports.ts';
import type { EmergencyOutcome } from './runtime/emergency-desk.ts';
import { createRunner } from './runtime/runner.ts';
import { PACKAGE_VERSION } from './runtime/version.ts';

export { type EnrolmentOptions, type EnrolmentResult, enroll } from './adapters/enrolment.ts';
export { IdentityDamaged, IdentityOfNewerVersion } from './adapters/identity-store.ts';
export { LocalSettingsUnusable } from './local/local-settings.ts';

/** `ready` waits this long for the first word of a server: more than every deadline of one search (`failover.md`). */
const READY_DEADLINE_MS = 5_000;

/** Whether a server answers at all: more than the connect deadline of a slow line. */
const CHECK_DEADLINE_MS = 5_000;

/** What the first login needs is loaded then, when nobody waits for it: after the start, before anybody has typed a password. */
const LOAD_AFTER_MS = 1_000;

/** What an agent is built from. */
export type AgentOptions = {
  /** The folder that `enroll` filled. One agent at a time. */
  readonly dataDir: string;
  /** `control.sock` and `login.sock` in the data folder; default: yes. A program that embeds the agent may do without. */
  readonly localSockets?: boolean;
  /** The greeter page on this port of 127.0.0.1; default: that of `local.json`, or none. */
  readonly greeterPort?: number | undefined;
  /** What turns bundles into files and actions, beside `applied/device-policy.json` and the hooks of `apply.d`. */
  readonly appliers?: readonly Applier[];
  /** A folder in memory (tmpfs) for what must not outlive a session; default: none, and a user's policy is in no file. */
  readonly runtimeDir?: string;
  /** Where and under whom connections are opened; default: the agent opens none. */
  readonly clients?: ClientOptions;
  /** Something that should not have happened; the agent goes on. Default: one line on standard error. */
  readonly onDefect?: (error: unknown) => void;
  readonly clock?: Clock;
  readonly random?: Random;
};

/** One agent in this process: a device. */
export type Agent = {
  /** Opens the local sockets and begins to look for a server. Never fails because servers are away. */
  start(): Promise<void>;
  /** Waits until the first connection is made, or all servers are known not to answer, or it is stopped: at most 5 s. */
  ready(): Promise<{ readonly mode: AgentMode; readonly server: string | null }>;
  /** Ends everything under way; nothing happens afterwards. Open logins reject with AgentStopped. */
  stop(): Promise<void>;
  /** Logins queue. Rejects with AgentStopped alone: every verdict is a value. */
  login(user: string, password: string): Promise<LoginResult>;
  /** Locks the screen of whoever works here. */
  lock(): void;
  /** A login of whoever works here, by the password alone; undefined: nobody does. */
  unlock(password: string): Promise<LoginResult | undefined>;
  /** Whether whoever stands here may end the session: always, but for one that is locked and `session.unlockBy: same-user`. */
  mayEnd(): boolean;
  /** On the Primary, in the user's own name. Every refusal is a value. */
  changePassword(user: string, password: string, newPassword: string): Promise<PasswordResult>;
  /** A challenge for the helpdesk (no `code`), or what its code comes to here (ADR 0058). */
  emergency(user: string, code?: string): EmergencyOutcome;
  /** Never waits for a server; fine without a session. */
  logout(): Promise<void>;
  /** The device has been left alone from now on, or is used again. */
  activity(isIdle: boolean): void;
  status(): AgentStatus;
  /** Who works here, and which connections they can open. */
  session(): SessionView;
  /** Opens a connection by its name, or closes it. `unknown`: nobody here has one of that name. */
  connect(name: string): 'done' | 'unknown';
  disconnect(name: string): 'done' | 'unknown';
  /** Calls `listener` after every change of what `status` tells. Returns how to stop. */
  onChange(listener: () => void): () => void;
  /** Calls `listener` after every change of how connections stand (`session`). Returns how to stop. */
  onConnections(listener: () => void): () => void;
  /** The network came up: looks for servers at once. */
  linkUp(): void;
  /** The machine woke: the same. */
  resumed(): void;
};

/** The agent cannot start in this folder. `message` is one line: what is wrong and what to do. */
export class AgentCannotStart extends Error {
  override readonly name = 'AgentCannotStart';
  readonly reason: 'not_enrolled' | 'folder_in_use' | 'identity_damaged';
  constructor(reason: AgentCannotStart['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Builds an agent from its data folder: the one place where ports get their adapters. Takes the folder's lock.
 *
 * Throws AgentCannotStart, IdentityDamaged, IdentityOfNewerVersion, LocalSettingsUnusable, and what `node:fs` throws.
 */
export function createAgent(options: AgentOptions): Agent {
  const { clock = systemClock, random = Math.random, onDefect = tellDefect } = options;
  const paths = agentPaths(options.dataDir);
  const secret = deviceSecret(paths.identityDir, systemdCreds());
  const identityStore = openIdentityStore(paths.identityDir, secret);
  const enrolled = identityStore.load();
  if (enrolled === undefined) {
    throw new AgentCannotStart(
      'not_enrolled',
      `${paths.dataDir} is not enrolled: run \`thinman-agent enroll TOKEN --data ${paths.dataDir}\` first`,
    );
  }
  prepareDataFolder(options.dataDir);
  const localSettings = readLocalSettings(paths.localSettingsFile);
  const held = identityStore.loadStatement();
  if (held === undefined) {
    throw new AgentCannotStart(
      'identity_damaged',
      `the site statement in ${paths.identityDir} is missing or not valid: restore it from a backup, or enrol anew in a new folder`,
    );
  }
  const lock = lockDataFolder(paths.lockFile);
  if (lock === undefined) {
    throw new AgentCannotStart(
      'folder_in_use',
      `another agent uses ${paths.dataDir}: stop it, or choose another --data`,
    );
  }

  let identity = enrolled;
  let cache: Cache;
  let secretState: SecretState;
  try {
    // Under the lock: nobody else moves it at the same time.
    secretState = secret.settle(localSettings.deviceSecret);
    removeCacheFiles(paths.interimCacheFile);
    const isInterim = secretState.isRefused === true;
    const cacheFile = isInterim ? paths.interimCacheFile : paths.cacheFile;
    cache = openCache(cacheFile, { ...identity, clock, isExpected: !isInterim });
  } catch (error) {
    lock.release();
    throw error;
  }
  let { connectDeadlineMs } = DEFAULT_AGENT_TIMINGS;
  const roundTrips = createRoundTrips();
  const client = createServerClient({
    ...{ clock, roundTrips, identity: () => identity, connectDeadlineMs: () => connectDeadlineMs },
  });
  const channels = createChannelConnector({ clock, random, identity: () => identity, roundTrips });
  const fileCache = createFileCache({ folder: paths.filesDir, source: createFileSource(client, fileServers), clock });
  const connectionListeners = new Set<() => void>();
  const application = createApplication({
    paths,
    fileCache,
    clock,
    random,
    onDefect,
    anyServerAnswers,
    onLastClosed: () => runner.logout(),
    onConnections() {
      for (const listener of connectionListeners) listener();
    },
    ...(options.clients !== undefined && { clients: options.clients }),
    ...(options.appliers !== undefined && { appliers: options.appliers }),
    ...(options.runtimeDir !== undefined && { runtimeDir: options.runtimeDir }),
    record: (data, user) => runner.record('bundle.applied', data, user),
  });
  const trialClient = createServerClient({
    clock,
    identity: () => identity,
    connectDeadlineMs: () => searchConnectMs({ connectDeadlineMs }),
  });
  /** Over connections that begin now: one that was there before says nothing of a network that has changed. */
  async function anyServerAnswers(): Promise<boolean> {
    trialClient.reset();
    const signal = AbortSignal.timeout(CHECK_DEADLINE_MS);
    const answers = await Promise.all(runner.statement().servers.map(server => trialClient.readyz(server, signal)));
    return answers.some(({ kind }) => kind !== 'failed');
  }
  const verified = (signed: SignedStatement) => verifyStatement(signed, identity.caCertificates, identity.siteId);
  const runner = createRunner({
    identity,
    identityStore,
    client,
    channels,
    hasher: createHasher(identity),
    sealing: createSealing(),
    cache,
    clock,
    random,
    uuid: randomUUID,
    verifyStatement: verified,
    agentVersion: PACKAGE_VERSION,
    facts: readHostFacts(),
    statement: held.statement,
    onSite: followCas,
    onDeviceBundle: (bundle: DeviceBundle) => {
      connectDeadlineMs = bundle.timings.connectDeadlineMs;
      application.takeDevice(bundle);
    },
    onWipe: keep => fileCache.keepOnly(keep),
    onSession: application.takeSession,
    addresses: addressFile(paths.addressFile, onDefect),
    sessions: sessionFile(paths.sessionFile, onDefect),
    toldByAppliers: true,
    onDefect,
    // What an answer is written by runs before this does.
    behindAnswer: work => void setImmediate(work),
  });
  /** The one in use first: it answers. */
  function fileServers(): readonly StatementServer[] {
    const current = runner.status().server?.name;
    return runner.statement().servers.toSorted((a, b) => Number(b.name === current) - Number(a.name === current));
  }
  /** The CAs are those that the newest statement names, of those held and those offered. */
  function followCas({ caPins }: SiteStatement, offered: readonly string[]): void {
    const caCertificates = casOf(caPins, [...identity.caCertificates, ...offered]);
    if (caCertificates.length === 0 || caCertificates.join() === identity.caCertificates.join()) return;
    try {
      identityStore.saveCaCertificates(caCertificates);
    } catch (error) {
      onDefect(error); // a full disk: the next hello tries again
      return;
    }
    identity = { ...identity, caCertificates };
    client.reset();
    channels.reset();
    tellTrust();
    renewal.lookLater();
  }
  /** While the CA is changed, the site must know who is ready for the next step. */
  function tellTrust(): void {
    const { certificate, caCertificates } = identity;
    const caPins = caCertificates.map(certificateKeyHash);
    runner.record('trust.held', { caPins, issuer: issuerOf(certificate, caCertificates) ?? null });
  }
  const renewal = createRenewal({
    client,
    identity: () => identity,
    primary: runner.primary,
    statement: runner.statement,
    verifyStatement: verified,
    keep({ certificate, caCertificates, issuedAtMs, expiresAtMs, hadExpired }) {
      // First whom to trust: with the new certificate alone the folder would contradict itself.
      if (caCertificates.length > identity.caCertificates.length) identityStore.saveCaCertificates(caCertificates);
      identityStore.saveCertificate(certificate, issuedAtMs);
      identity = { ...identity, certificate, caCertificates, certificateIssuedAtMs: issuedAtMs };
      client.reset();
      channels.reset();
      runner.record('certificate.renewed', { expiresAt: expiresAtMs });
      if (caCertificates.length > 1) tellTrust();
      if (hadExpired) runner.linkUp();
    },
    clock,
    nowMs: runner.nowMs,
    random,
    onDefect,
  });
  let local: LocalServers | undefined;
  let stopWatching = () => {};
  let stopLoading = () => {};
  let isStopped = false;
  const awaitingReady = new Set<() => void>();

  const openLocalServers = () => {
    const { unixAccounts } = localSettings;
    return createLocalServers({
      dataDir: paths.dataDir,
      agent,
      unixAccounts: unixAccounts && unixAccountSettings(unixAccounts),
      onTrouble: onDefect,
      after: (delayMs, action) => clock.after(delayMs, action),
      greeterUrl: () => greeter?.url,
    });
  };
  let greeter: Greeter | undefined;
  const openGreeter = async () => {
    const port = options.greeterPort ?? localSettings.greeter?.port;
    if (port === undefined) return undefined;
    const [{ createGreeter }, { bootToken }] = await Promise.all([
      import('./local/greeter/greeter-server.ts'),
      import('./local/greeter/boot-token.ts'),
    ]);
    const token = bootToken(identity.deviceSecret);
    return createGreeter({ port, token, agent, nowMs: runner.nowMs, monotonicMs: () => clock.monotonicMs() });
  };

  const agent: Agent = {
    async start() {
      if (options.localSockets !== false) local = await openLocalServers();
      greeter = await openGreeter();
      if (isStopped) {
        await greeter?.close();
        return void (await local?.close());
      }
      runner.start();
      if (secretState.trouble !== undefined) {
        const { kept, trouble } = secretState;
        process.stderr.write(`thinman-agent: the secret of this device: ${trouble}\n`);
        runner.record('alarm.secret', { kept, why: trouble });
      }
      if (identity.caCertificates.length > 1) tellTrust();
      renewal.look();
      stopLoading = clock.after(LOAD_AFTER_MS, quickestArgon2id);
      stopWatching = watchHost(clock, { onLinkUp: runner.linkUp, onResumed: agent.resumed });
    },
    ready: () =>
      new Promise(resolve => {
        const tell = () => {
          stopTimer();
          stopListening();
          awaitingReady.delete(tell);
          const { mode, server } = runner.status();
          resolve({ mode, server: server?.name ?? null });
        };
        const stopTimer = clock.after(READY_DEADLINE_MS, () => {
          tell();
          runner.begun();
        });
        const stopListening = runner.onDecided(tell);
        awaitingReady.add(tell);
      }),
    async stop() {
      if (isStopped) return;
      isStopped = true;
      for (const tell of awaitingReady) tell();
      stopLoading();
      stopWatching();
      const renewed = renewal.stop();
      runner.stop();
      await renewed;
      await greeter?.close();
      await local?.close();
      await client.close();
      await trialClient.close();
      await application.stop();
      cache.close();
      lock.release();
    },
    login: (user, password) => runner.login(user, password),
    lock: () => runner.lock(),
    unlock: password => runner.unlock(password),
    mayEnd: () => runner.mayEnd(),
    changePassword: (user, password, newPassword) => runner.changePassword(user, password, newPassword),
    emergency: (user, code) => runner.emergency(user, code),
    async logout() {
      runner.logout();
    },
    activity: isIdle => runner.activity(isIdle),
    status: () => ({ ...runner.status(), ...secretWords(secretState) }),
    session() {
      runner.catchUp();
      return application.view();
    },
    connect(name) {
      runner.catchUp();
      return application.connect(name);
    },
    disconnect(name) {
      runner.catchUp();
      return application.disconnect(name);
    },
    onChange: listener => runner.onChange(listener),
    onConnections(listener) {
      connectionListeners.add(listener);
      return () => connectionListeners.delete(listener);
    },
    linkUp: () => runner.linkUp(),
    resumed() {
      runner.resumed();
      renewal.look();
    },
  };
  return agent;
}

/** Nothing while it is in a file, as it was always. */
function secretWords({ kept, trouble }: SecretState): Pick<AgentStatus, 'deviceSecret'> {
  if (kept === 'file' && trouble === undefined) return {};
  return { deviceSecret: { kept, trouble: trouble ?? null } };
}

function tellDefect(error: unknown): void {
  process.stderr.write(`thinman-agent: unexpected: ${error instanceof Error ? error.stack : String(error)}\n`);
}
