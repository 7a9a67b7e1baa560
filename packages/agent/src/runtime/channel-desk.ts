import {
  type DeviceFacts,
  type EventBatchAnswer,
  type HelloBundle,
  MAX_FRAME_BYTES,
  MAX_USERS_PER_DEVICE,
  type ServerFrame,
  type ServerState,
  type SignedStatement,
  type SiteStatement,
  type ThinmanEvent,
  type UserWord,
} from '@thinman/protocol';
import type { Effect } from '../core/effect.ts';
import type { GivenBundle, KnownUser } from '../core/event.ts';
import { modeOf } from '../core/state.ts';
import type { Answer, ChannelHandle } from '../ports.ts';
import type { Context } from './context.ts';
import { problemFacts } from './heard.ts';
import type { RetentionDesk } from './retention-desk.ts';
import { unlessTrouble } from './store.ts';

type Do<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** Room for what is around the events in a frame. */
const EVENTS_ROOM_BYTES = 256;

/** What a channel's server has said in its last hello. */
type Greeting = { readonly server: string; readonly state: ServerState; readonly takesEvents: boolean };
type Stored = Answer<EventBatchAnswer>;

/** Statements remembered between a hello and the core's word on it: normally one. */
const MAX_SEEN = 8;

/** The device's end of its channels: frames in, frames out. */
export function createChannelDesk(
  context: Context,
  { offlineUsers }: Pick<RetentionDesk, 'offlineUsers'>,
  self: { readonly agentVersion: string; readonly facts?: Pick<DeviceFacts, 'model' | 'os'> },
  onHello: (caCertificates: readonly string[]) => void,
) {
  const { cache, channels, identity, dispatch, verifyStatement, attempts } = context;
  /** Bundles that came by themselves are kept as answers are, under numbers that no attempt has. */
  let given = 0;
  /** Whom the last hello named: of nobody else do servers say anything. */
  let named = '';
  const open = new Map<number, ChannelHandle>();
  const greetings = new Map<number, Greeting>();
  /** What each channel was told last of who is held here. */
  const toldHeld = new Map<number, string>();
  /** Batches of events that no server has answered yet, by the frame's id. */
  const batches = new Map<string, { readonly channel: number; readonly end: (answer: Stored) => void }>();
  /** Statements seen in hellos, until the core takes or leaves them. */
  const seen = new Map<string, { readonly signed: SignedStatement; readonly statement: SiteStatement }>();

  const statementName = ({ epoch, version }: { epoch: number; version: number }) => `${epoch}.${version}`;

  function verified(signed: SignedStatement): SiteStatement | 'invalid' {
    const statement = verifyStatement(signed);
    if (statement === undefined || statement.siteId !== identity.siteId) return 'invalid';
    if (seen.size >= MAX_SEEN) seen.clear();
    seen.set(statementName(statement), { signed, statement });
    return statement;
  }

  function knownUsers(words: readonly UserWord[]): readonly KnownUser[] {
    const cached = unlessTrouble(() => cache.cachedUsers())?.done ?? [];
    return words.flatMap(({ userId }) => {
      const login = cached.find(each => each.userId === userId);
      const known = unlessTrouble(() => ({
        tombstone: cache.tombstone(userId),
        subject: login === undefined ? undefined : cache.knownSubject(login.user),
      }))?.done;
      const user = login?.user ?? known?.tombstone?.user;
      const subject = known?.subject ?? known?.tombstone?.subject ?? login?.subject;
      if (user === undefined || subject === undefined) return [];
      const { credentialVersion } = login ?? {};
      return [{ user, userId, subject, credentialVersion, tombstone: known?.tombstone }];
    });
  }

  /** Users of whom nothing is heard for a moment: their own change of password is under way here. */
  const heldWords = new Set<string>();

  function onFrame(channel: number, server: string, frame: ServerFrame): void {
    switch (frame.type) {
      case 'hello': {
        const { state, version, serverTime } = frame;
        const words = frame.users.filter(({ userId }) => !heldWords.has(userId));
        greetings.set(channel, { server, state, takesEvents: frame.takesEvents === true });
        const statement = frame.server === server ? verified(frame.statement) : 'invalid';
        const known = knownUsers(words);
        const bundle = keepGiven(frame.bundle);
        dispatch({
          kind: 'channelHello',
          channel,
          server,
          state,
          version,
          serverTime,
          statement,
          words,
          known,
          bundle,
          crowdMs: frame.crowdMs,
        });
        onHello(frame.caCertificates ?? []);
        return;
      }
      case 'changed':
        dispatch({ kind: 'channelChanged', channel, userId: frame.userId, bundle: keepGiven(frame.bundle) });
        return;
      case 'command':
        dispatch({ kind: 'channelCommand', channel, id: frame.id, command: frame.command, data: frame.data });
        return;
      case 'goaway':
        dispatch({ kind: 'channelGoaway', channel });
        return;
      case 'revoked':
        dispatch({ kind: 'channelRevoked', channel, subject: frame.subject });
        return;
      case 'stored':
        batches.get(frame.id)?.end({ kind: 'ok', value: { stored: frame.stored }, elapsedMs: 0 });
        return;
      case 'refused':
        batches.get(frame.id)?.end({ kind: 'problem', problem: frame.problem, body: frame.problem, elapsedMs: 0 });
    }
  }

  /** The channel to this server that is open, and whose hello has come. */
  function greeted(server: string): { channel: number; handle: ChannelHandle; greeting: Greeting } | undefined {
    for (const [channel, handle] of open) {
      const greeting = greetings.get(channel);
      if (greeting?.server === server) return { channel, handle, greeting };
    }
    return undefined;
  }

  function gone(channel: number): void {
    open.delete(channel);
    greetings.delete(channel);
    toldHeld.delete(channel);
    for (const batch of batches.values()) {
      if (batch.channel === channel)
        batch.end({ kind: 'failed', reason: 'reset', detail: 'the channel closed', elapsedMs: 0 });
    }
  }

  function sessionWords({ loginId, userId, user }: { loginId: string; userId: string; user: string }) {
    const opened = context.keyring.get(loginId)?.opened;
    // Of one who is not kept here the session alone has it.
    const bundle = unlessTrouble(() => cache.cachedLogin(user)?.bundleEtag)?.done ?? opened?.etag;
    return { loginId, userId, user: opened?.user.name ?? user, ...(bundle !== undefined && { bundle }) };
  }

  function keepGiven(bundle: HelloBundle | undefined): GivenBundle | undefined {
    if (bundle === undefined) return undefined;
    const { version } = bundle;
    const changed = !('unchanged' in bundle);
    // What is held may have been lost since this device said that it holds it.
    if (!changed && cache.deviceBundle()?.etag !== bundle.etag) return undefined;
    given -= 1;
    attempts.keep(given, { which: 'device', answer: changed ? { changed, bundle } : { changed, version } });
    return { attempt: given, version, changed };
  }

  /** Of the newest whom a frame can name, and of whoever works here: of them words are heard. */
  function usersToName(): string[] {
    const { session } = context.state();
    const cached = (unlessTrouble(() => cache.cachedUsers())?.done ?? []).toSorted(
      (a, b) => (b.used ?? 0) - (a.used ?? 0),
    );
    const atWork = session.kind === 'open' ? [session.userId] : [];
    return [...new Set([...atWork, ...cached.map(({ userId }) => userId)])].slice(0, MAX_USERS_PER_DEVICE);
  }

  /** With what is held here, if that is news to this channel. */
  function sendStatus(channel: number, isAsked: boolean): void {
    const handle = open.get(channel);
    if (handle === undefined) return;
    const state = context.state();
    const { session } = state;
    const held = { offlineUsers: offlineUsers().slice(0, MAX_USERS_PER_DEVICE), wiped: cache.wiped() };
    const said = JSON.stringify(held);
    const isNews = toldHeld.get(channel) !== said;
    if (!isNews && !isAsked) return;
    toldHeld.set(channel, said);
    handle.send({
      type: 'status',
      mode: modeOf(state),
      version: state.held.device,
      session: session.kind === 'open' ? sessionWords(session) : null,
      pendingEvents: cache.pendingEventCount(),
      ...(isNews && { offlineUsers: held.offlineUsers }),
      ...(isNews && held.wiped > 0 && { wiped: held.wiped }),
    });
  }

  function sayHello(handle: ChannelHandle | undefined): void {
    const { site } = context.state();
    const users = usersToName();
    named = users.toSorted().join();
    const bundle = cache.deviceBundle()?.etag ?? '';
    handle?.send({ type: 'hello', ...self, users, statement: [site.epoch, site.version], bundle });
  }

  return {
    openChannel({ channel, server, connectDeadlineMs, pingIntervalMs }: Do<'openChannel'>): void {
      const target = context.server(server);
      if (target === undefined) {
        dispatch({ kind: 'channelClosed', channel, server, reason: 'not_in_statement', detail: server });
        return;
      }
      const handle = channels.open(target, connectDeadlineMs, pingIntervalMs, {
        onOpen: () => sayHello(open.get(channel)),
        onFrame: frame => onFrame(channel, server, frame),
        onAlive: () => dispatch({ kind: 'channelAlive', channel }),
        onClosed({ reason, detail, problem }) {
          gone(channel);
          const facts = problem === undefined ? {} : { problem: problemFacts(problem) };
          dispatch({ kind: 'channelClosed', channel, server, reason, detail, ...facts });
        },
      });
      open.set(channel, handle);
    },

    closeChannel({ channel }: Do<'closeChannel'>): void {
      const handle = open.get(channel);
      gone(channel);
      handle?.close();
    },

    tellStatus: ({ channel }: Do<'tellStatus'>): void => sendStatus(channel, true),

    /** Who is held here may be others now. */
    tellHeld(): void {
      for (const channel of greetings.keys()) sendStatus(channel, false);
    },

    acknowledge(channel: number, id: string, ok: boolean, detail: string): void {
      open.get(channel)?.send({ type: 'ack', id, ok, detail });
    },

    /**
     * A sign of life over the channel, with what the server has said of itself; undefined: there is none to this server. A
     * request would cost both sides ten times as much.
     */
    probe(server: string, signal: AbortSignal): Promise<Answer<{ name: string; state: ServerState }>> | undefined {
      const found = greeted(server);
      if (found === undefined) return undefined;
      const startedMs = context.clock.monotonicMs();
      return new Promise(resolve => {
        const end = (answer: Answer<{ name: string; state: ServerState }>) => resolve(answer);
        signal.addEventListener(
          'abort',
          () => end({ kind: 'failed', reason: 'aborted', detail: 'aborted', elapsedMs: 0 }),
          {
            once: true,
          },
        );
        found.handle.ping(() => {
          const { state } = greetings.get(found.channel) ?? found.greeting;
          end({ kind: 'ok', value: { name: server, state }, elapsedMs: context.clock.monotonicMs() - startedMs });
        });
      });
    },

    /** Hands events over by the channel; undefined: there is none to this server that takes these. */
    sendEvents(server: string, events: readonly ThinmanEvent[], signal: AbortSignal): Promise<Stored> | undefined {
      const found = greeted(server);
      if (found?.greeting.takesEvents !== true) return undefined;
      if (Buffer.byteLength(JSON.stringify(events)) > MAX_FRAME_BYTES - EVENTS_ROOM_BYTES) return undefined;
      const id = context.uuid();
      return new Promise(resolve => {
        const end = (answer: Stored) => {
          batches.delete(id);
          resolve(answer);
        };
        batches.set(id, { channel: found.channel, end });
        signal.addEventListener(
          'abort',
          () => end({ kind: 'failed', reason: 'aborted', detail: 'aborted', elapsedMs: 0 }),
          {
            once: true,
          },
        );
        found.handle.send({ type: 'events', id, events: [...events] });
      });
    },

    /** Returns how to hear of this user again, and asks anew. */
    holdWords(userId: string): () => void {
      heldWords.add(userId);
      return () => {
        heldWords.delete(userId);
        for (const handle of open.values()) sayHello(handle);
      };
    },

    /** Only if the last hello, whatever it was said for, named others than there are now. */
    sayHelloOfOthers(): void {
      if (usersToName().toSorted().join() === named) return;
      for (const handle of open.values()) sayHello(handle);
    },

    /** The list of cached users has changed: the server is to say what it knows of them. */
    sayHelloAgain(): void {
      for (const handle of open.values()) sayHello(handle);
    },

    statementSeen: (which: { epoch: number; version: number }) => seen.get(statementName(which)),
  };
}
export type ChannelDesk = ReturnType<typeof createChannelDesk>;
