import {
  type AgentStatus,
  type AgentTimings,
  type BundleFile,
  DEFAULT_AGENT_TIMINGS,
  type DeviceBundle,
  type DeviceEventType,
  type DeviceFacts,
  type LoginResult,
  NO_VERSION,
  newestVersion,
  type PasswordResult,
  type SiteStatement,
  type ThinmanEvent,
  type Version,
} from '@thinman/protocol';
import type { Effect } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import { searchConnectMs } from '../core/health.ts';
import { siteOf } from '../core/site.ts';
import { type AgentState, isDecided } from '../core/state.ts';
import { dueAt, initialState, transition } from '../core/transition.ts';
import type { SessionStore } from '../ports.ts';
import type { AddressStore } from './addresses.ts';
import { createAttempts } from './attempts.ts';
import { createBeginning } from './beginning.ts';
import { createChannelDesk } from './channel-desk.ts';
import type { Context, Happening, RunnerPorts } from './context.ts';
import { createEmergencyDesk, type EmergencyOutcome } from './emergency-desk.ts';
import { createGrants } from './grants.ts';
import { heard } from './heard.ts';
import { uuidV7 } from './ids.ts';
import { createKeepingDesk } from './keeping-desk.ts';
import { createKeyring } from './keyring.ts';
import { createLoginDesk } from './login-desk.ts';
import { createPasswordDesk } from './password-desk.ts';
import { createRetentionDesk } from './retention-desk.ts';
import { createScreenDesk } from './screen-desk.ts';
import { createServerList } from './server-list.ts';
import { createSessionDesk } from './session-desk.ts';
import { createSessionWatch, type OpenSession } from './session-watch.ts';
import { statusOf } from './status.ts';
import { createTrustedTime, unlessTrouble } from './store.ts';

export type RunnerOptions = RunnerPorts & {
  readonly agentVersion: string;
  /** What the machine is. */
  readonly facts?: Pick<DeviceFacts, 'model' | 'os'>;
  readonly statement: SiteStatement;
  /** After each hello: the newest statement, and the CAs (PEM) that came with the hello, of which nothing is proved. */
  readonly onSite?: (statement: SiteStatement, caCertificates: readonly string[]) => void;
  /** A device bundle to apply: the cached one at start, then each new one. */
  readonly onDeviceBundle?: (bundle: DeviceBundle) => void;
  /** All users are forgotten: files that policies named go, but for these. */
  readonly onWipe?: (keep: readonly BundleFile[]) => void;
  /** Who works here, and what they may: at login, with each newer bundle, and `null` at the end. */
  readonly onSession?: (session: OpenSession | null) => void;
  /** Where servers last answered; default: only what the statement says is tried. */
  readonly addresses?: AddressStore;
  /** Who works here, over a restart; default: nobody does after one. */
  readonly sessions?: SessionStore;
  /** What applies bundles records `bundle.applied`; default: they count as applied when they are kept. */
  readonly toldByAppliers?: boolean;
  /** Something that should not have happened. The agent goes on. */
  readonly onDefect?: (error: unknown) => void;
  /** Runs what nobody waits for once the answer to a login is on its way (ADR 0104); default: at once, before the answer. */
  readonly behindAnswer?: (work: () => void) => void;
};

/** The agent's machine at work: events in, effects out, one after the other. */
export type Runner = ReturnType<typeof createRunner>;

export function createRunner(options: RunnerOptions) {
  const { cache, client, clock, random, identity, identityStore } = options;
  const defect = options.onDefect ?? (() => {});
  const { behindAnswer = work => work() } = options;
  const queue: Happening[] = [];
  /** What the login that was answered last comes to besides: done before anything that happens later. undefined: it is done. */
  let behind: readonly Effect[] | undefined;
  /** What the login that is about to be written comes to besides. */
  let besides: readonly ThinmanEvent[] = [];
  const listeners = new Set<() => void>();
  const awaitingDecision = new Set<() => void>();
  const servers = createServerList(options.statement, options.addresses, () => {
    client.reset();
    options.channels.reset();
  });
  let timings: AgentTimings = cache.deviceBundle()?.timings ?? DEFAULT_AGENT_TIMINGS;
  /** What the site calls it: another name than at enrolment, once it has taken another machine's place. */
  let deviceBundle = cache.deviceBundle();
  let deviceName = deviceBundle?.device.name ?? identity.name;
  let isDraining = false;
  let cancelTimer = () => {};
  let told = '';
  /** Logins on the disk, words about them, or the rules by which they stay. */
  let isHeldTouched = true;
  /** Logins on the disk may be of others than servers were told. */
  let isHelloDue = false;

  const time = createTrustedTime(clock, cache);
  const nowMs = () => Math.round(time.nowMs() ?? clock.nowMs());
  const newId = (atMs = nowMs()) => uuidV7(atMs, options.uuid());
  const context: Context = {
    ...options,
    ...{ keyring: createKeyring(options.hasher), time, nowMs, newId },
    attempts: createAttempts(clock, servers.server, defect),
    state: () => state,
    dispatch,
    server: servers.server,
    record,
    defect,
    toldByAppliers: options.toldByAppliers ?? false,
  };
  const { attempts, keyring } = context;
  const screen = createScreenDesk(context, {
    store: options.sessions,
    deviceBundle: () => deviceBundle,
    request: (user, password) => logins.request(newId(), user, password),
    isSettled: () => beginning.isSettled(),
  });
  const beginning = createBeginning({
    write: () => withoutFail(() => cache.settle()),
    // Who worked here before a boot is forgotten once that is told.
    onSettled: () => withoutFail(screen.keep),
    behind: behindAnswer,
    isOver: () => state.phase === 'stopped',
  });
  let judgedMs = clock.monotonicMs();
  let state: AgentState = initialState(siteOf(options.statement), {
    accepted: cache.acceptedVersion(),
    heldDevice: deviceBundle?.version ?? NO_VERSION,
    heldNewest: cachedVersions().reduce(newestVersion, NO_VERSION),
    session: screen.initial(),
  });
  // Servers say what became of the users whom the device names: of a new one too.
  const grants = createGrants(context, () => {
    isHeldTouched = true;
    settleHeld();
    channels.sayHelloAgain();
  });
  const emergency = createEmergencyDesk(context);
  const passwords = createPasswordDesk(context, grants, servers.primary);
  const logins = createLoginDesk(context, grants, emergency, passwords);
  const sessions = createSessionDesk(context, grants);
  const retention = createRetentionDesk(context, {
    forgetFiles: keep => options.onWipe?.(keep),
    again() {
      isHeldTouched = true;
      settleHeld();
    },
  });
  const channels = createChannelDesk(
    context,
    retention,
    { agentVersion: options.agentVersion, ...(options.facts !== undefined && { facts: options.facts }) },
    offered => options.onSite?.(servers.statement(), offered),
  );
  const keeping = createKeepingDesk(context, sessions, channels, takeDeviceBundle);
  const watch = createSessionWatch(context, session => options.onSession?.(session));

  function dispatch(happening: Happening): void {
    // Whoever listens hears of a login before of what came after it.
    catchUp();
    queue.push(happening);
    if (!isDraining) drain();
  }

  function drain(): void {
    isDraining = true;
    try {
      const late = behind ?? [];
      behind = undefined;
      if (isHelloDue) withoutFail(sayHelloOfOthers);
      for (const effect of late) carryOut(effect);
      while (behind === undefined) {
        const next = queue.shift();
        if (next === undefined) break;
        step(next);
      }
    } finally {
      isDraining = false;
    }
    setTimer();
    if (behind === undefined) followUp();
    else behindAnswer(catchUp);
  }

  /** Does now what was put behind an answer: nobody is to see a login half done. */
  function catchUp(): void {
    if (behind !== undefined && !isDraining) drain();
  }

  function sayHelloOfOthers(): void {
    isHelloDue = false;
    channels.sayHelloOfOthers();
  }

  function followUp(): void {
    settleHeld();
    servers.follow(state.connectivity);
    watch.look();
    screen.look();
    tell();
  }

  /** What is held of users may be another now: room is made, and the server told. */
  function settleHeld(): void {
    if (!isHeldTouched) return;
    isHeldTouched = false;
    const isWiped = retention.wipe();
    if (isWiped) grants.late.forgetAll();
    if (retention.tidy() || isWiped) channels.sayHelloAgain();
    channels.tellHeld();
    if (isWiped) dispatch({ kind: 'eventRecorded' });
  }

  function step(happening: Happening): void {
    const at = { now: clock.monotonicMs(), wallMs: nowMs(), draw: random() };
    judgedMs = at.now;
    const next = transition(state, { ...happening, at } as Event, timings);
    state = next.state;
    const effects = withLogin(next.effects);
    const answer = effects.findIndex(({ kind }) => kind === 'finishLogin');
    if (answer < 0 || state.phase === 'stopped') {
      for (const effect of effects) carryOut(effect);
      return;
    }
    for (const effect of effects.slice(0, answer)) carryOut(effect);
    withoutFail(screen.forgetOthers);
    for (const effect of effects.slice(answer, answer + 1)) carryOut(effect);
    behind = effects.slice(answer + 1);
  }

  /** Whatever else is to be told of a login is written with it: neither is there without the other, and the disk is waited for once. */
  function withLogin(effects: readonly Effect[]): readonly Effect[] {
    besides = [];
    if (!effects.some(({ kind }) => kind === 'commitLogin')) return effects;
    besides = effects.flatMap(effect =>
      effect.kind === 'record' ? eventOf(effect.type, effect.data, effect.user) : [],
    );
    return effects.filter(({ kind }) => kind !== 'record');
  }

  function carryOut(effect: Effect): void {
    // The table's types say that each handler gets its own kind of effect.
    withoutFail(() => (handlers[effect.kind] as (effect: Effect) => void | Promise<void>)(effect));
  }

  /** What fails as a defect stops nothing else: no other effect, and no answer. */
  function withoutFail(work: () => void | Promise<void>): void {
    try {
      work()?.catch(defect);
    } catch (error) {
      defect(error);
    }
  }

  const handlers: { readonly [K in Effect['kind']]: (effect: Extract<Effect, { kind: K }>) => void | Promise<void> } = {
    probe({ attempt, server, deadlineMs }) {
      attempts.run(
        attempt,
        server,
        deadlineMs,
        // In a login's path over the connection that the login will take; else over the one that becomes the channel.
        (target, signal) =>
          state.login === null
            ? options.channels.readyz(target, searchConnectMs(timings), signal)
            : (channels.probe(server, signal) ?? client.readyz(target, signal)),
        answer => {
          const target = servers.server(server);
          const roundTripMs = target === undefined ? undefined : client.roundTripMs(target);
          const facts = heard(answer, status => (status.name === server ? { state: status.state } : undefined));
          dispatch({ kind: 'probeAnswered', attempt, server, answer: facts, roundTripMs });
        },
      );
    },
    cancel: ({ attempt }) => attempts.cancel(attempt),
    openChannel(effect) {
      servers.opening(effect.channel, effect.server);
      channels.openChannel(effect);
    },
    closeChannel: channels.closeChannel,
    tellStatus: channels.tellStatus,
    runCommand: ({ channel, id, command }) => channels.acknowledge(channel, id, false, `unknown command ${command}`),
    readUser: logins.readUser,
    derive: logins.derive,
    sendBegin: logins.sendBegin,
    sendLogin: logins.sendLogin,
    readOfflineFacts: logins.readOfflineFacts,
    tryOffline: logins.tryOffline,
    commitLogin(effect) {
      const also = besides;
      besides = [];
      isHeldTouched = true;
      isHelloDue = true;
      try {
        logins.commitLogin(effect, also);
      } catch (error) {
        for (const event of also) cache.appendEvent(event);
        throw error;
      }
    },
    finishLogin: logins.finishLogin,
    forget: ({ loginId }) => keyring.forget(loginId),
    refreshSession: sessions.refreshSession,
    proveSession: sessions.proveSession,
    keepProof(effect) {
      sessions.keepProof(effect);
      isHeldTouched = true;
    },
    endSession(effect) {
      sessions.endSession(effect);
      isHeldTouched = true;
    },
    pullBundle: keeping.pullBundle,
    keepBundle(effect) {
      keeping.keepBundle(effect);
      isHeldTouched = true;
    },
    dropBundle: ({ attempt }) => {
      attempts.take(attempt);
    },
    deliverEvents: keeping.deliverEvents,
    record: ({ type, user, data }) => record(type, data, user),
    setTombstone({ tombstone, erase }) {
      grants.late.drop(tombstone.userId);
      unlessTrouble(() => cache.setTombstone(tombstone, erase));
      isHeldTouched = true;
    },
    raiseSubject({ user, userId, subject }) {
      unlessTrouble(() => {
        const cached = cache.cachedLogin(user);
        const save = cached?.userId === userId ? { save: { ...cached, subject } } : {};
        cache.commitLogin({ user, clearTombstoneOf: userId, ...save });
      });
      isHeldTouched = true;
    },
    eraseUsers() {
      grants.late.dropAll();
      unlessTrouble(() => cache.eraseUsers());
      isHeldTouched = true;
    },
    saveAccepted: ({ version }) => cache.setAcceptedVersion(version),
    saveStatement(which) {
      const taken = channels.statementSeen(which);
      if (taken === undefined) return;
      servers.adopt(taken.statement);
      // Last: one that a full disk does not take is in force all the same; after a restart a server gives it again.
      identityStore.saveStatement(taken.signed);
    },
    trustTime: ({ serverTimeMs, atMonotonicMs }) => time.heard(serverTimeMs, atMonotonicMs),
  };

  function cachedVersions(): readonly Version[] {
    const read = () => cache.cachedUsers().map(({ user }) => cache.cachedLogin(user)?.bundleVersion ?? NO_VERSION);
    return unlessTrouble(read)?.done ?? [];
  }

  function record(type: string, data: Readonly<Record<string, unknown>>, user?: string): void {
    cache.appendEvent(eventOf(type, data, user), beginning.isUnderWay() ? 'later' : 'now');
    if (!isDraining || state.delivery.kind === 'idle') dispatch({ kind: 'eventRecorded' });
  }

  function eventOf(type: string, data: Readonly<Record<string, unknown>>, user?: string): ThinmanEvent {
    return { id: newId(), type, at: nowMs(), ...(user !== undefined && { user }), data };
  }

  function takeDeviceBundle(bundle: DeviceBundle): void {
    timings = bundle.timings;
    deviceBundle = bundle;
    deviceName = bundle.device.name;
    options.onDeviceBundle?.(bundle);
  }

  /** A session of this user goes on under the new password; until it has it, words about the old one end nothing. */
  async function changePassword(user: string, password: string, newPassword: string): Promise<PasswordResult> {
    const { session } = state;
    const isOpen = session.kind === 'open' && session.user === user;
    if (!isOpen) return passwords.change(user, password, newPassword);
    const release = channels.holdWords(session.userId);
    try {
      const result = await passwords.change(user, password, newPassword);
      if (result.changed) await logins.request(newId(), user, newPassword);
      return result;
    } finally {
      release();
    }
  }

  function setTimer(): void {
    cancelTimer();
    cancelTimer = () => {};
    // As of the moment that the state was judged at: what became due since then nobody has looked at.
    const at = dueAt(state, judgedMs);
    if (at === Number.POSITIVE_INFINITY) return;
    cancelTimer = clock.after(Math.max(at - clock.monotonicMs(), 0), () => dispatch({ kind: 'tick' }));
  }

  function status(): AgentStatus {
    return statusOf(state, deviceName, cache.pendingEventCount(), screen.shown());
  }

  /** Listeners hear of what `status` tells, and of nothing else. */
  function tell(): void {
    if (isDecided(state)) beginning.begun();
    if (awaitingDecision.size > 0 && isDecided(state)) {
      for (const listener of awaitingDecision) listener();
      awaitingDecision.clear();
    }
    if (listeners.size === 0) return;
    const now = JSON.stringify(status());
    if (now === told) return;
    told = now;
    for (const listener of listeners) listener();
  }

  return {
    state: () => state,
    status,
    /** Unix ms, as far as this device can know it (`failover.md`, Clock). */
    nowMs,
    catchUp,
    /** An event of the device's own, beside those of the machine. */
    record: (type: DeviceEventType, data: Readonly<Record<string, unknown>>, user?: string) => record(type, data, user),
    /** The newest that is valid. */
    statement: servers.statement,
    primary: servers.primary,
    /** Calls `listener` once the first connection was made, or every server is known not to answer. Returns how to stop. */
    onDecided(listener: () => void): () => void {
      if (isDecided(state)) queueMicrotask(listener);
      else awaitingDecision.add(listener);
      return () => awaitingDecision.delete(listener);
    },
    start(): void {
      const bundle = cache.deviceBundle();
      if (bundle !== undefined) takeDeviceBundle(bundle);
      dispatch({ kind: 'started', eventsPending: cache.pendingEventCount() > 0 });
      screen.start();
    },
    /** Nobody waits any longer for the word that it is ready. */
    begun: beginning.begun,
    login(user: string, password: string): Promise<LoginResult> {
      beginning.somebodyAsks();
      return screen.login(user, password);
    },
    lock: screen.lock,
    unlock(password: string): Promise<LoginResult | undefined> {
      beginning.somebodyAsks();
      return screen.unlock(password);
    },
    mayEnd: screen.mayEnd,
    emergency(user: string, code: string | undefined): EmergencyOutcome {
      beginning.somebodyAsks();
      return emergency.call(user, code);
    },
    changePassword,
    logout(): void {
      beginning.somebodyAsks();
      dispatch({ kind: 'logoutRequested' });
    },
    activity: screen.activity,
    linkUp: (): void => dispatch({ kind: 'linkUp' }),
    resumed: (): void => dispatch({ kind: 'resumed' }),
    onChange(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** Ends everything under way. Nothing happens afterwards. */
    stop(): void {
      beginning.settle();
      screen.stop();
      dispatch({ kind: 'stopRequested' });
      cancelTimer();
      retention.stop();
      attempts.cancelAll();
      options.channels.reset();
      logins.stop();
      watch.end();
      listeners.clear();
    },
  };
}
