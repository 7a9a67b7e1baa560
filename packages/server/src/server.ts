import { randomUUID } from 'node:crypto';
import {
  isOlder,
  LINK_DRAIN_EVENTS,
  LINK_PATH,
  NO_VERSION,
  type ServerReport,
  type ServerState,
  type ServerStatus,
} from '@thinman/protocol';
import type { Logger } from 'pino';
import type { AdminDeps } from './admin-plane/admin-deps.ts';
import { ADMIN_PREFIX, adminPlane } from './admin-plane/admin-plane.ts';
import {
  ConfigError,
  type DataFolder,
  dataFolder,
  parseListen,
  readConfig,
  type ServerConfig,
  writeConfig,
} from './config.ts';
import { canServeLogin, type ServingReason } from './core/serving-state.ts';
import { createDevicePlane } from './device-plane/device-plane.ts';
import { followReplica } from './device-plane/site-view.ts';
import { createDirectories } from './directory/create-directories.ts';
import { createFileKeeper } from './files/file-keeper.ts';
import { openFileStore } from './files/file-store.ts';
import { createHttpApp, createLocalApp } from './http/app.ts';
import { health } from './http/health.ts';
import { listenLocal, requireSocketPlace } from './http/local-socket.ts';
import { createLogger } from './http/logger.ts';
import { createMetrics } from './http/metrics/metrics.ts';
import { ownFacts } from './identity/ca-status.ts';
import { followCas } from './identity/follow-cas.ts';
import { createIdentityCare } from './identity/identity-care.ts';
import { loadIdentity } from './identity/load-identity.ts';
import { createPasswordHasher } from './identity/password-hasher.ts';
import { createRestate, type Restate } from './identity/restate.ts';
import { createDrain, RECORD_DRAIN_EVENTS } from './journal/drain.ts';
import { createFactExchange } from './link/fact-exchange.ts';
import { openLink } from './link/link-client.ts';
import { createLinkServer } from './link/link-server.ts';
import { createSessionExchange } from './link/session-exchange.ts';
import { statementRoute } from './link/statement-route.ts';
import type { Clock } from './ports.ts';
import { createCompactionWorker } from './record/compaction-worker.ts';
import { lockFolder } from './record/dialects/folder-lock.ts';
import { DatabaseUnavailable, DatabaseUnfit } from './record/errors.ts';
import { createForkGuard } from './recovery/fork-guard.ts';
import { createRecovery } from './recovery/recovery.ts';
import { createSync } from './replica/sync.ts';
import { systemClock } from './runtime/clock.ts';
import { logDeviceNews } from './runtime/device-news.ts';
import { keepEvents } from './runtime/event-keeping.ts';
import { createEventRoute } from './runtime/event-route.ts';
import { createEventStore } from './runtime/event-store.ts';
import { createHeardOf } from './runtime/heard-of.ts';
import {
  isolatedAfterMs,
  isRemoved,
  journalLimitBytes,
  monitoredFacts,
  servingLimits,
  syncIntervalMs,
} from './runtime/monitored-facts.ts';
import { stopInOrder } from './runtime/planned-stop.ts';
import { isSuperseded, roleOf } from './runtime/role.ts';
import { createRolloutDriver } from './runtime/rollout-driver.ts';
import { serverReport } from './runtime/server-report.ts';
import { createServingMonitor } from './runtime/serving-monitor.ts';
import { REMOVED, tellOfState } from './runtime/state-news.ts';
import { openStores } from './runtime/stores.ts';
import { logSyncCondition } from './runtime/sync-news.ts';
import { PACKAGE_VERSION } from './runtime/version.ts';

/** A generation that every object comes after. */
const BEFORE_ALL = -1;

/** What a server is built from. */
export type ServerOptions = {
  /** Made by `initSite` or `joinSite`. */
  readonly dataDir: string;
  /** Default: JSON lines on standard error. */
  readonly log?: Logger;
  readonly clock?: Clock;
  /** A draw from [0, 1). */
  readonly random?: () => number;
  /** A Primary's: use a database even if its settings may lose what it has acknowledged. */
  readonly acceptWeakDurability?: boolean;
  /** A Primary's: go on administering, though it sees neither a device nor another server. */
  readonly isolated?: boolean;
};

/** A change of what a server can do, and why. */
export type StateChange = {
  readonly state: ServerState;
  readonly before: ServerState;
  readonly why: ServingReason | null;
};

/** One ThinMan server in this process. */
export type ThinmanServer = {
  /** Resolves when it listens; what it can do then, its state says. To be called once. Rejects with DatabaseUnfit. */
  start(): Promise<void>;
  /** How devices and other servers reach it. */
  readonly url: string;
  status(): ServerStatus;
  /** Called after each change of the state; returns how to end that. */
  onState(listener: (change: StateChange) => void): () => void;
  /** A planned stop: devices are told to move, logins in flight end, the journal goes out; then it stops in order. */
  drain(): Promise<void>;
  /** Resolves when it has stopped, whoever asked for it (`drain` here, or an administrator). */
  readonly stopped: Promise<void>;
};

/**
 * Opens the server of a data folder. Throws ConfigError (no server there, in use by another process, of another site) and IdentityDamaged.
 * The only place where the parts of a server are built and put together.
 */
export function createServer(options: ServerOptions): ThinmanServer {
  const folder = dataFolder(options.dataDir);
  const config = readConfig(folder);
  requireSocketPlace(folder.adminSocket);
  const unlock = lockFolder(folder.path);
  if (unlock === undefined) {
    throw new ConfigError(`${folder.path} is in use by another process: a server runs there already`);
  }
  try {
    return compose(folder, config, unlock, options);
  } catch (error) {
    unlock();
    throw error;
  }
}

function compose(folder: DataFolder, config: ServerConfig, unlock: () => void, options: ServerOptions): ThinmanServer {
  const { clock = systemClock, random = Math.random } = options;
  const { log = createLogger({ destination: process.stderr }) } = options;
  const listen = parseListen(config.listen);
  const loaded = loadIdentity(folder.path, config, { clock, log });
  const { own, sessions, statements } = loaded;
  const { dataKey } = loaded.dataKeys;
  const { identity } = own;
  const authority = () => loaded.ca.held()?.authority;
  let { database } = config;
  const acceptWeakDurability = options.acceptWeakDurability ?? config.acceptWeakDurability ?? false;
  const stores = openStores(folder, config, {
    role: () => role(),
    database: () => database,
    acceptWeakDurability,
    clock,
    log,
    journalLimitBytes: () => journalLimitBytes(site.settings()),
  });
  const { record, replica } = stores;
  const site = followReplica(replica);
  // Before devices are told of anything that is new: they believe a new epoch by its statement alone.
  replica.onApplied(() => followCas(loaded, replica));
  const role = () => roleOf(identity, replica, statements.current());
  const superseded = () => isSuperseded(identity, replica, statements.current());
  const removed = () => isRemoved(identity, statements.current());
  const version = () => replica.site()?.version ?? NO_VERSION;

  const keeping = keepEvents({
    ...{ name: identity.name, journal: stores.journal, reserve: stores.reserve, wayIsOpen, clock, log },
    deliver: events => route.deliver(events),
    onTurn: () => monitor.look(),
    onEvidence: evidence => facts.happened(evidence),
    onEnded: loginIds => devices.sessionsEnded(loginIds),
    onEvents(taken) {
      metrics.eventsTaken(taken);
      logDeviceNews(log, taken);
    },
  });
  const { journal, events, tell } = keeping;
  const facts = createFactExchange({
    knows: {
      device: uid => replica.findByUid('Device', uid) !== undefined,
      user: name => replica.find('User', name) !== undefined || directories.claims(name) !== 'none',
    },
    ...{ journal, clock, log },
  });
  /** Servers of the statement that are not this one, nor seen from here. */
  const notLinked = () =>
    role() !== 'primary'
      ? []
      : linkServer
          .report()
          .filter(({ linked }) => !linked)
          .map(({ name }) => name);
  const whoIsWhere = createSessionExchange({
    ...{ name: identity.name, clock, unseenHere: notLinked },
    book: () => devices.book,
    knowsDevice: uid => replica.findByUid('Device', uid)?.deleted === false,
  });
  const unseenServers = () => {
    if (role() === 'primary') return notLinked();
    if (route.link()?.connected() === true) return whoIsWhere.unseen().filter(name => name !== identity.name);
    return statements.current().statement.servers.flatMap(({ name }) => (name === identity.name ? [] : [name]));
  };
  const heardOf = createHeardOf(journal, log);

  const forks = createForkGuard({
    ...{ record, replica, role, folder: folder.path, clock, log, journal: stores.journal },
    condition: () => sync.condition(),
    epoch: () => statements.current().statement.epoch,
    onChange() {
      monitor.look();
      recovery.look();
    },
  });
  const sync = createSync({
    ...{ record, replica, clock, isFork: forks.isFork, beforeDrop: forks.beforeDrop },
    intervalMs: () => syncIntervalMs(site.settings()),
  });
  const monitor = createServingMonitor({
    facts: () =>
      monitoredFacts(
        { removed: removed(), superseded: superseded(), contested: statements.rival() !== undefined },
        replica,
        { ...sync.condition(), forked: forks.forked() },
        keeping.healthy(),
      ),
    limits: () => servingLimits(site.settings()),
    clock,
    restored: { heard: role() === 'secondary' ? heardOf.version() : undefined, has: version() },
  });

  const status = (): ServerStatus => ({
    name: identity.name,
    role: role(),
    state: monitor.current().state,
    ...version(),
    database: { kind: record.kind, reachable: sync.condition().reachable, lagMs: monitor.lagMs() },
    connectedDevices: devices.connectedCount(),
    journalPending: journal.pending(),
    version: PACKAGE_VERSION,
    schema: replica.site()?.schema ?? 0,
  });
  const missing = () => heardOf.missing(version());
  const report = (): ServerReport =>
    serverReport(status(), {
      ...{
        why: monitor.current().why,
        databaseError: sync.condition().error,
        missing: missing(),
        journal: keeping.status(),
      },
      link: role() === 'primary' ? undefined : { server: primaryName(), connected: wayIsOpen() },
      secondaries: role() === 'primary' ? linkServer.report() : undefined,
      directories: directories.standings(),
      exported: superseded() ? recovery.leaving.status() : undefined,
      isolated: recovery.isolated(),
    });
  const metrics = createMetrics(report, {
    certificateExpiresAtMs: own.expiresAtMs,
    connections: record.connections,
  });

  const files = createFileKeeper({
    store: openFileStore(folder.files),
    ...{ record, files: site.files, clock, log },
  });
  const restate: Restate = createRestate(identity, {
    sign(statement) {
      const here = authority();
      if (here === undefined) throw new Error('a server without the CA key makes no statement');
      return here.sign(statement);
    },
  });
  const directories = createDirectories({ siteId: identity.siteId, replica, dataKey, clock, random, log });
  const admin: AdminDeps = {
    ...{ record, replica, identity, hasher: createPasswordHasher(), dataKey, events, clock },
    ...{ config: site.config, configFor: site.configFor, targetsOf: site.targetsOf },
    currentEtag: device => devices.currentEtag(device),
    rolloutStanding: name => rollouts.standing(name),
    ...{ syncNow: sync.syncNow, status: report, statement: () => statements.current().statement },
    restate,
    drain: () => void drain(),
    directories,
    sessions: () => devices.book.all(),
    unseen: () => unseenServers(),
    lockouts: user => devices.lockouts(user),
    holdings: {
      of: uid => devices.holdings.of(uid),
      ofUser: (user, limit) => devices.holdings.ofUser(user, limit),
      isConnected: uid => devices.holdings.isConnected(uid),
    },
    isIsolated: () => recovery.isolated(),
    rival: () => statements.rival()?.statement,
    alsoSeen: () => forks.secondaries.known().map(({ position }) => position),
  };
  const devices = createDevicePlane(
    {
      ...{ identity, replica, site, journal, dataKey, sessions, events, clock, metrics, log, write: admin },
      ...{ files, directories, statement: statements.current, authority },
      state: () => monitor.current().state,
      primaryReachable: () => role() === 'primary' || route.link()?.connected() === true,
    },
    randomUUID,
  );

  const rollouts = createRolloutDriver({
    ...{ write: admin, site: admin, log },
    mayDrive: () => role() === 'primary' && wayIsOpen() && !stopping,
  });
  const storeEvents = createEventStore({ record, tell, log, onStored: rollouts.heard, isForked: forks.forked });
  const linkServer = createLinkServer({
    isPrimary: () => role() === 'primary',
    statement: statements.current,
    version: () => replica.site()?.version,
    missingSince: has => replica.touchedSince(has.epoch === version().epoch ? has.generation : BEFORE_ALL),
    ...{ facts, sessions: whoIsWhere, storeEvents, clock, log },
    onPosition: (name, at, commitId) =>
      forks.secondaries.heard(name, { siteId: identity.siteId, version: at, commitId }),
  });
  const route = createEventRoute(role, storeEvents, () =>
    openLink({
      ...{ identity, status, facts, sessions: whoIsWhere, clock, random, log },
      certificate: () => ownFacts(identity),
      commitId: () => replica.site()?.commitId,
      statement: () => statements.current().statement,
      onCommitted(committed, statement, touched) {
        statements.offer(statement);
        heardOf.hear(committed, touched, version());
        monitor.heard(committed, version());
        // Its database takes commits, so events as well.
        if (journal.pending() > 0) outflow.wake();
        if (isOlder(version(), committed)) void sync.syncNow();
      },
      onConnected: () => outflow.wake(),
    }),
  );
  const compaction = createCompactionWorker({
    ...{ record, clock, log },
    by() {
      const position = replica.position();
      if (role() !== 'primary' || position === undefined) return undefined;
      const restsOn = [position, ...(admin.alsoSeen?.() ?? [])];
      return { instance: identity.instance, epoch: position.version.epoch, restsOn };
    },
  });
  const outflow = createDrain({
    ...{ journal, deliver: route.deliver, clock },
    batchEvents: () => (role() === 'primary' ? RECORD_DRAIN_EVENTS : LINK_DRAIN_EVENTS),
    onTrouble(error) {
      // A database that is away has been told already.
      if (error instanceof DatabaseUnavailable) return;
      log.error({ err: error }, 'handing events on failed; they wait in the journal');
    },
  });

  replica.onApplied(change => {
    followCas(loaded, replica);
    if (change.full || change.objects.some(({ kind }) => kind === 'File')) files.follow();
    monitor.reached(change.version);
    queueMicrotask(monitor.look);
    route.follow();
    // After a promotion the way is another one, and open.
    if (change.full && role() === 'primary') outflow.wake();
    route.link()?.tellStatus();
    linkServer.announce();
    if (superseded()) void recovery.leaving.moved();
    recovery.look();
  });
  statements.onChange(() => {
    followCas(loaded, replica);
    queueMicrotask(monitor.look);
    forks.settleJournal();
    route.follow();
    route.link()?.follow();
    linkServer.announce();
    devices.announce();
    recovery.look();
  });
  sync.onCondition(condition => {
    const { reachable } = condition;
    logSyncCondition(log, condition);
    recovery.look();
    forks.settleJournal();
    if (reachable && role() === 'primary') outflow.wake();
    monitor.look();
  });

  const identityCare = createIdentityCare({
    ...{ loaded, record, replica, write: admin, restate, role, tell, clock, random, log },
    secondaries: linkServer.secondaries,
  });
  const recovery = createRecovery({
    ...{
      loaded,
      record,
      replica,
      write: admin,
      forks,
      condition: sync.condition,
      folder: folder.path,
      tell,
      clock,
      log,
    },
    ...{ role, superseded, removed, missing, epoch: () => version().epoch },
    linked: () => route.link()?.connected() === true,
    seesAnybody: () => devices.connectedCount() > 0 || linkServer.secondaries().length > 0,
    isolatedAfterMs: () => isolatedAfterMs(site.settings()),
    mayBeAlone: options.isolated === true,
    database: {
      open: (url, how) => stores.openRecord(url ?? database, how !== 'to-write'),
      async use(url) {
        writeConfig(folder, { ...config, database: url });
        database = url;
        await record.reopen();
      },
    },
  });

  const tls = () => ({ key: identity.tls.keyPem, cert: identity.tls.certificatePem, ca: identity.caCertificates });
  const https = createHttpApp({ tls: tls(), log });
  https.app.register(health({ status, metrics }));
  https.app.register(devices.routes);
  https.app.register(adminPlane(admin, 'network'), { prefix: ADMIN_PREFIX });
  for (const routes of identityCare.siteRoutes) https.app.register(routes);
  https.app.register(statementRoute({ statement: statements.current, record, clock }));
  https.upgrades.on(devices.channelPath, devices.upgrade);
  https.upgrades.on(LINK_PATH, linkServer.handleUpgrade);
  const local = createLocalApp({ log });
  local.register(adminPlane(admin, 'local'), { prefix: ADMIN_PREFIX });
  local.register(identityCare.localRoutes, { prefix: ADMIN_PREFIX });
  local.register(recovery.localRoutes, { prefix: ADMIN_PREFIX });
  own.onChange(() => {
    https.setTls(tls());
    devices.announce();
    route.link()?.tellStatus();
    identityCare.renewal.look();
  });
  // What a crash kept from the identity's files is in the replica.
  followCas(loaded, replica);

  const stateListeners = new Set<(change: StateChange) => void>();
  const stopped = Promise.withResolvers<void>();
  let stopping = false;

  async function start(): Promise<void> {
    const { error: trouble } = await sync.syncNow();
    if (stopping) return stopped.promise;
    forks.settleJournal();
    // A database that is away is waited for. One that would lose what it acknowledges is refused, while somebody looks.
    if (trouble?.cause instanceof DatabaseUnfit) {
      await drain();
      throw trouble.cause;
    }
    monitor.look();
    monitor.onChange((now, before) => {
      tellOfState(now, before, { missing, tell, log });
      devices.announce();
      route.link()?.tellStatus();
      for (const listener of stateListeners) listener({ ...now, before: before.state });
    });
    route.follow();
    // Whoever was the Primary and is no more must not begin with a write.
    if (role() === 'primary') await recovery.statementWatch.askAll();
    recovery.statementWatch.start();
    if (stopping) return stopped.promise;
    try {
      await https.listen(listen.host, listen.port);
      await listenLocal(local, folder.adminSocket);
    } catch (error) {
      await drain();
      throw error;
    }
    if (removed()) log.error(REMOVED);
    if (options.isolated === true)
      log.warn('this server takes administrative writes even if it sees nobody (--isolated)');
    identityCare.renewal.look();
    compaction.start();
    rollouts.start();
    files.follow();
    void tell('server.started', { version: PACKAGE_VERSION, role: role(), ...monitor.current() });
    log.info(
      { name: config.name, url: config.url, listen: config.listen, role: role(), ...monitor.current() },
      'listens',
    );
  }

  function drain(): Promise<void> {
    if (!stopping) {
      stopping = true;
      stopInOrder({
        ...{ devices, https, local, outflow, hasSuccessor, clock, log },
        announceDrain: monitor.drain,
        sayStopped: () => tell('server.stopped', { version: PACKAGE_VERSION }),
        ...{ wayIsOpen, eventsWaiting: journal.pending },
        stopWorkers() {
          for (const part of [whoIsWhere, route, linkServer, site, directories]) part.close();
          for (const part of [monitor, keeping, recovery]) part.stop();
          return Promise.all([
            sync.stop(),
            identityCare.renewal.stop(),
            compaction.stop(),
            rollouts.stop(),
            files.stop(),
          ]);
        },
        closeStores: stores.close,
      })
        .finally(unlock)
        .then(stopped.resolve, stopped.reject);
    }
    return stopped.promise;
  }

  /** To the source of record; a Secondary's leads over the link. */
  function wayIsOpen(): boolean {
    return role() === 'primary' ? sync.condition().reachable && !forks.forked() : route.link()?.connected() === true;
  }

  function primaryName(): string {
    return statements.current().statement.servers.find(server => server.role === 'primary')?.name ?? '';
  }

  /** On the Primary the link tells whether a Secondary is there and serves. */
  function hasSuccessor(): boolean {
    if (role() === 'secondary') return true;
    return linkServer.secondaries().some(({ status: theirs }) => theirs === undefined || canServeLogin(theirs.state));
  }

  return {
    ...{ start, drain, status, url: config.url, stopped: stopped.promise },
    onState(listener) {
      stateListeners.add(listener);
      return () => stateListeners.delete(listener);
    },
  };
}
