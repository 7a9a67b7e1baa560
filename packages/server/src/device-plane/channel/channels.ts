import {
  type AgentMode,
  CHANNEL_CLOSE,
  canonicalJson,
  type DeviceBody,
  type DeviceBundle,
  type DeviceFrame,
  type DeviceSystem,
  type EventBatch,
  type EventBatchAnswer,
  type HelloBundle,
  MAX_FRAME_BYTES,
  type ServerFrame,
  type UserWord,
  type Version,
} from '@thinman/protocol';
import { type Outcome, refused } from '../../http/outcome.ts';
import type { AppliedChange, StoredObject } from '../../ports.ts';
import type { Bundles } from '../bundles.ts';
import type { DeviceDeps } from '../device-deps.ts';
import type { DirectoryAccounts } from '../directory-accounts.ts';
import { touchesConfig } from '../site-view.ts';
import { createAudience } from './audience.ts';
import { createClones } from './clones.ts';
import { type ChannelSocket, type Connection, newConnection, sendFrame } from './connection.ts';
import { createCrowd } from './crowd.ts';
import { directorySessions, isSaidAgainst } from './directory-sessions.ts';
import { createFactsDesk, factsOf } from './facts.ts';
import { createHoldings, type Holdings } from './holdings.ts';
import { autologinIn, kiosksOf } from './kiosks.ts';
import { userWord } from './user-word.ts';

export type ConnectedDevice = {
  readonly device: string;
  /** Unix milliseconds. */
  readonly since: number;
  readonly status: { readonly mode: AgentMode; readonly version: Version; readonly pendingEvents: number } | undefined;
  readonly sessionUser: string | undefined;
};

/** What devices are told while their channels are open. */
export type Channels = {
  /** A newer channel of the same device replaces the older one. */
  open(device: StoredObject, socket: ChannelSocket, address?: string): Connection;
  received(connection: Connection, frame: DeviceFrame): void;
  /** `code`: of the WebSocket's closing handshake. */
  closed(connection: Connection, code: number): void;
  /** A device was served this bundle over HTTP: it need not be told of it. */
  served(deviceUid: string, userId: string | undefined, etag: string): void;
  /** The server's state or the statement has changed. */
  announce(): void;
  /** These sessions are over: devices that have one of them look after it at once. */
  sessionsEnded(loginIds: readonly string[]): void;
  /** A planned stop. */
  goaway(): void;
  /** Ends what has been silent for longer than this. */
  dropSilent(silenceMs: number): void;
  connected(): readonly ConnectedDevice[];
  count(): number;
  isConnected(deviceUid: string): boolean;
  readonly holdings: Holdings & { isConnected(deviceUid: string): boolean };
  terminate(): void;
};

/** Room for what is around a bundle in a frame: the statement and the words about a thousand users. */
const BUNDLE_ROOM_BYTES = MAX_FRAME_BYTES / 4;
const fitsFrame = (bundle: DeviceBundle) => Buffer.byteLength(JSON.stringify(bundle)) <= BUNDLE_ROOM_BYTES;

/** After that a batch is on the disk, or the disk hangs. */
const STORING_MS = 1_000;

/** Devices that are looked at in one turn: some ten milliseconds of resolution. */
const AT_A_TIME = 100;

const keyOf = (device: StoredObject) => (device.system as DeviceSystem).keyHash;

type ChannelDeps = Pick<
  DeviceDeps,
  'identity' | 'replica' | 'site' | 'clock' | 'state' | 'statement' | 'events' | 'log' | 'write' | 'directories'
>;

/** A device says who works on it. */
export type SessionSaid = (
  device: StoredObject,
  mode: AgentMode,
  session: Extract<DeviceFrame, { type: 'status' }>['session'],
) => void;

/** What `POST /v1/events` does. */
export type TakeEvents = (device: StoredObject, batch: EventBatch) => Promise<Outcome<EventBatchAnswer>>;

export function createChannels(
  deps: ChannelDeps,
  bundles: Bundles,
  takeEvents: TakeEvents,
  accounts: DirectoryAccounts,
  onSession: SessionSaid = () => {},
): Channels & { readonly stop: () => void } {
  const { replica, site, clock, directories } = deps;
  const audience = createAudience(site);
  const tellClone = createClones(deps);
  const facts = createFactsDesk(deps);
  const holdings = createHoldings();
  const crowd = createCrowd(replica, clock);

  const wordOf = ({ device }: Connection, userId: string) => {
    const offline = (user: StoredObject) => bundles.user(device, user).offline;
    return userWord({ replica, offline, nowMs: clock.nowMs() }, userId);
  };

  function hello(users: readonly UserWord[], bundle?: HelloBundle): ServerFrame | undefined {
    const version = replica.site()?.version;
    if (version === undefined) return undefined;
    const { caCertificates } = deps.identity;
    const crowdMs = crowd();
    return {
      type: 'hello',
      server: deps.identity.name,
      state: deps.state(),
      version,
      statement: deps.statement().signed,
      ...(caCertificates.length > 1 && { caCertificates: [...caCertificates] }),
      serverTime: clock.nowMs(),
      users: [...users],
      ...(bundle !== undefined && { bundle }),
      takesEvents: true,
      ...(crowdMs !== undefined && { crowdMs }),
    };
  }

  function greet(connection: Connection, users: readonly UserWord[], bundle?: HelloBundle): void {
    const frame = hello(users, bundle);
    if (frame !== undefined) sendFrame(connection, frame);
  }

  /** Tells the words that are not what the device was told last. */
  function tellWords(connection: Connection, userIds: Iterable<string>): void {
    const news: UserWord[] = [];
    for (const userId of userIds) {
      const told = connection.users.get(userId);
      const known = told === undefined ? undefined : wordOf(connection, userId);
      if (told === undefined || known === undefined || canonicalJson(known.word) === canonicalJson(told.word)) continue;
      // The name that the id had stays: by it a user who is created anew is found.
      connection.users.set(userId, { word: known.word, name: known.name ?? told.name });
      news.push(known.word);
    }
    if (news.length > 0) greet(connection, news);
  }

  function contentFor(connection: Connection) {
    const content = bundles.device(connection.device);
    connection.autologin = autologinIn(content);
    return content;
  }

  function tellDeviceBundle(connection: Connection): void {
    const content = contentFor(connection);
    if (content.etag === connection.deviceEtag) return;
    connection.deviceEtag = content.etag;
    const bundle = bundles.versioned(content);
    if (!connection.takesBundles || !fitsFrame(bundle)) tellChanged(connection);
    else sendFrame(connection, { type: 'changed', version: bundle.version, bundle });
  }

  /** Only whoever has a session can pull a user's bundle. */
  function tellUserBundle(connection: Connection): void {
    const userId = connection.sessionUser;
    const user = userId === undefined ? undefined : (replica.findByUid('User', userId) ?? accounts.user(userId));
    if (userId === undefined || user === undefined || user.deleted) return;
    const { etag } = bundles.user(connection.device, user);
    if (etag === connection.userEtags.get(userId)) return;
    connection.userEtags.set(userId, etag);
    tellChanged(connection, userId);
  }

  function tellChanged(connection: Connection, userId?: string): void {
    const version = replica.site()?.version;
    if (version === undefined) return;
    sendFrame(connection, { type: 'changed', version, ...(userId !== undefined && { userId }) });
  }

  /** False: it is no device of this site any more, and has been told. */
  function stillDevice(connection: Connection, device: StoredObject, version: Version): boolean {
    if (keyOf(device) !== keyOf(connection.device)) {
      drop(connection, 'unknown'); // re-enrolled: this connection has shown the key before
      return false;
    }
    if (!device.deleted && (device.body as DeviceBody).revoked !== true) {
      connection.device = device;
      return true;
    }
    const subject = { epoch: version.epoch, generation: device.generation };
    holdings.forget(device.uid);
    sendFrame(connection, { type: 'revoked', subject });
    drop(connection, 'revoked');
    return false;
  }

  function drop(connection: Connection, why: keyof typeof CHANNEL_CLOSE): void {
    audience.remove(connection);
    close(connection, why);
  }

  function close({ socket }: Connection, why: keyof typeof CHANNEL_CLOSE): void {
    const { code, reason } = CHANNEL_CLOSE[why];
    socket.close(code, reason);
  }

  function applied(change: AppliedChange): void {
    const { allWords, reached, devices, users } = audience.concernedBy(change);
    if (change.full) {
      for (const connection of [...audience.all()]) recheck(connection, change.version);
    }
    for (const { connection, device } of devices) stillDevice(connection, device, change.version);
    // The device asks for the user's bundle, and hears with it what was said: disabled, sessions ended, other groups.
    for (const { connection, userId } of directorySessions(change, audience.all(), { accounts, directories }))
      tellChanged(connection, userId);
    for (const connection of kiosksOf(change, audience.all(), directories)) tellChanged(connection);
    // A filter that is new, or attributes of a device.
    if (touchesConfig(change)) facts.look(audience.all());
    else facts.look(devices.map(({ connection }) => connection));
    const looked = [...new Set([...devices.map(d => d.connection), ...users.keys(), ...reached])];
    // In another group other words may hold for everybody there.
    const moved = new Set(devices.map(({ connection }) => connection));
    tellNews(looked, connection =>
      allWords || moved.has(connection) ? connection.users.keys() : (users.get(connection) ?? []),
    );
  }

  /** The first at once; between slices of many, logins are answered. What is told is what holds when it is told. */
  function tellNews(
    looked: readonly Connection[],
    wordsFor: (connection: Connection) => Iterable<string>,
    from = 0,
  ): void {
    const next = from + AT_A_TIME;
    for (const connection of looked.slice(from, next)) {
      if (!connection.greeted || audience.of(connection.device.uid) !== connection) continue;
      tellWords(connection, wordsFor(connection));
      tellDeviceBundle(connection);
      tellUserBundle(connection);
    }
    if (looked.length > next) setImmediate(() => tellNews(looked, wordsFor, next));
  }

  /** After a full sync anything may be otherwise; an unknown device is closed and comes back to hear why. */
  function recheck(connection: Connection, version: Version): void {
    const device = replica.findByUid('Device', connection.device.uid);
    if (device === undefined) drop(connection, 'unknown');
    else stillDevice(connection, device, version);
  }

  /** What a device that says what it holds need not pull. */
  function bundleFor(connection: Connection, held: string | undefined): HelloBundle | undefined {
    connection.takesBundles = held !== undefined;
    if (held === undefined || replica.site() === undefined) return undefined;
    const bundle = bundles.versioned(contentFor(connection));
    const { etag, version } = bundle;
    if (etag !== held && !fitsFrame(bundle)) return undefined;
    connection.deviceEtag = etag;
    return etag === held ? { unchanged: true, etag, version } : bundle;
  }

  function deviceHello(
    connection: Connection,
    { users: userIds, bundle: held, facts: said }: Extract<DeviceFrame, { type: 'hello' }>,
  ): void {
    if (said !== undefined) connection.facts = factsOf(said, connection.address);
    facts.look([connection]);
    const words: UserWord[] = [];
    connection.users.clear();
    for (const userId of new Set(userIds)) {
      const known = wordOf(connection, userId);
      if (known === undefined) continue;
      connection.users.set(userId, known);
      words.push(known.word);
    }
    audience.reindex(connection);
    const bundle = bundleFor(connection, held);
    // With its first hello a device that was given none pulls its bundle by itself: what holds now needs no word.
    if (!connection.greeted) connection.deviceEtag ??= contentFor(connection).etag;
    connection.greeted = true;
    greet(connection, words, bundle);
  }

  /** One batch at a time: what a device sends meanwhile is not kept in memory for it. */
  async function store(
    connection: Connection,
    { id, events }: Extract<DeviceFrame, { type: 'events' }>,
  ): Promise<void> {
    const isFirst = !connection.storing;
    connection.storing = true;
    const outcome = isFirst
      ? await takeEvents(connection.device, { events }).catch(error => {
          deps.log.error({ err: error }, 'events of a device could not be taken; it keeps them');
          return refused('internal');
        })
      : refused('overloaded', { retryAfterMs: STORING_MS });
    if (isFirst) connection.storing = false;
    if (outcome.ok) sendFrame(connection, { type: 'stored', id, stored: outcome.value.stored });
    else sendFrame(connection, { type: 'refused', id, problem: outcome.problem });
  }

  const stopListening = replica.onApplied(applied);

  return {
    open(device, socket, address) {
      const connection = newConnection(device, socket, clock.nowMs(), address);
      connection.lastHeardMs = clock.monotonicMs();
      const older = audience.add(connection);
      if (older !== undefined) {
        older.replaced = true;
        close(older, 'replaced');
      }
      return connection;
    },
    received(connection, frame) {
      connection.lastHeardMs = clock.monotonicMs();
      if (audience.of(connection.device.uid) !== connection) return;
      switch (frame.type) {
        case 'hello':
          return deviceHello(connection, frame);
        case 'status': {
          const { mode, version, pendingEvents, session, offlineUsers, wiped } = frame;
          if (offlineUsers !== undefined) holdings.told(connection.device, { offlineUsers, wiped }, clock.nowMs());
          connection.status = { mode, version, pendingEvents };
          if (session?.bundle !== undefined && !connection.userEtags.has(session.userId)) {
            connection.userEtags.set(session.userId, session.bundle);
          }
          connection.sessionLogin = session?.loginId;
          onSession(connection.device, mode, session);
          if (connection.sessionUser === session?.userId) return;
          connection.sessionUser = session?.userId;
          connection.sessionName = session?.user;
          audience.reindex(connection);
          if (isSaidAgainst(connection, { accounts, directories, replica, nowMs: clock.nowMs() })) {
            return tellChanged(connection, connection.sessionUser);
          }
          return tellUserBundle(connection);
        }
        case 'events':
          void store(connection, frame);
          return;
        case 'ack':
          // Commands come with a later issue; there is nothing to acknowledge yet.
          return;
        default:
          return frame satisfies never;
      }
    },
    closed(connection, code) {
      audience.remove(connection);
      // Whoever answers our close was there, and had not meant to leave: an agent that comes back closes its old channel itself.
      const { replaced, device } = connection;
      if (replaced && code === CHANNEL_CLOSE.replaced.code) tellClone(device);
    },
    served(deviceUid, userId, etag) {
      const connection = audience.of(deviceUid);
      if (connection === undefined) return;
      if (userId === undefined) connection.deviceEtag = etag;
      else connection.userEtags.set(userId, etag);
    },
    announce() {
      const frame = hello([]);
      if (frame === undefined) return;
      // Encoded once: at ten thousand devices that is a quarter of the time (`traps.md`).
      const text = JSON.stringify(frame);
      for (const { greeted, socket } of audience.all()) if (greeted) socket.send(text);
    },
    sessionsEnded(loginIds) {
      const over = new Set(loginIds);
      for (const connection of audience.all()) {
        const { sessionLogin, sessionUser } = connection;
        // The device asks for the user's bundle, and hears with it that the session is none any more.
        if (sessionLogin !== undefined && over.has(sessionLogin)) tellChanged(connection, sessionUser);
      }
    },
    goaway() {
      const text = JSON.stringify({ type: 'goaway' } satisfies ServerFrame);
      for (const { socket } of audience.all()) socket.send(text);
    },
    dropSilent(silenceMs) {
      const nowMs = clock.monotonicMs();
      for (const connection of [...audience.all()]) {
        if (nowMs - connection.lastHeardMs > silenceMs) connection.socket.terminate();
      }
    },
    connected: () =>
      Array.from(audience.all(), ({ device, connectedAtMs, status, sessionUser }) => {
        return { device: device.name, since: connectedAtMs, status, sessionUser };
      }),
    count: () => audience.size(),
    isConnected: deviceUid => audience.of(deviceUid) !== undefined,
    holdings: { ...holdings, isConnected: deviceUid => audience.of(deviceUid) !== undefined },
    terminate() {
      for (const { socket } of [...audience.all()]) socket.terminate();
    },
    stop() {
      facts.stop();
      stopListening();
    },
  };
}
