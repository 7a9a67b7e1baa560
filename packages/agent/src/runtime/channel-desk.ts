import type {
  DeviceFacts,
  HelloBundle,
  ServerFrame,
  SignedStatement,
  SiteStatement,
  UserWord,
} from '@thinman/protocol';
import type { Effect } from '../core/effect.ts';
import type { GivenBundle, KnownUser } from '../core/event.ts';
import { modeOf } from '../core/state.ts';
import type { ChannelHandle } from '../ports.ts';
import type { Context } from './context.ts';
import { problemFacts } from './heard.ts';
import { unlessTrouble } from './store.ts';

type Do<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** Statements remembered between a hello and the core's word on it: normally one. */
const MAX_SEEN = 8;

/** The device's end of its channels: frames in, frames out. */
export function createChannelDesk(
  context: Context,
  self: { readonly agentVersion: string; readonly facts?: Pick<DeviceFacts, 'model' | 'os'> },
  onHello: (caCertificates: readonly string[]) => void,
) {
  const { cache, channels, identity, dispatch, verifyStatement, attempts } = context;
  /** Bundles that came by themselves are kept as answers are, under numbers that no attempt has. */
  let given = 0;
  const open = new Map<number, ChannelHandle>();
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

  function onFrame(channel: number, server: string, frame: ServerFrame): void {
    switch (frame.type) {
      case 'hello': {
        const { state, version, serverTime, users: words } = frame;
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
    }
  }

  function sessionWords({ loginId, userId, user }: { loginId: string; userId: string; user: string }) {
    const bundle = unlessTrouble(() => cache.cachedLogin(user)?.bundleEtag)?.done;
    return { loginId, userId, ...(bundle !== undefined && { bundle }) };
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

  function sayHello(handle: ChannelHandle | undefined): void {
    const { site } = context.state();
    const users = (unlessTrouble(() => cache.cachedUsers())?.done ?? []).map(({ userId }) => userId);
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
          open.delete(channel);
          const facts = problem === undefined ? {} : { problem: problemFacts(problem) };
          dispatch({ kind: 'channelClosed', channel, server, reason, detail, ...facts });
        },
      });
      open.set(channel, handle);
    },

    closeChannel({ channel }: Do<'closeChannel'>): void {
      const handle = open.get(channel);
      open.delete(channel);
      handle?.close();
    },

    tellStatus({ channel }: Do<'tellStatus'>): void {
      const state = context.state();
      const { session } = state;
      open.get(channel)?.send({
        type: 'status',
        mode: modeOf(state),
        version: state.held.device,
        session: session.kind === 'open' ? sessionWords(session) : null,
        pendingEvents: cache.pendingEventCount(),
      });
    },

    acknowledge(channel: number, id: string, ok: boolean, detail: string): void {
      open.get(channel)?.send({ type: 'ack', id, ok, detail });
    },

    /** The list of cached users has changed: the server is to say what it knows of them. */
    sayHelloAgain(): void {
      for (const handle of open.values()) sayHello(handle);
    },

    statementSeen: (which: { epoch: number; version: number }) => seen.get(statementName(which)),
  };
}
export type ChannelDesk = ReturnType<typeof createChannelDesk>;
