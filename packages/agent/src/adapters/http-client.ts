import {
  DEFAULT_AGENT_TIMINGS,
  DeviceBundle,
  describeProblems,
  EventBatchAnswer,
  FILE_PATH,
  formatVersion,
  KNOWN_SUBJECT_HEADER,
  LoginBeginAnswer,
  LoginGranted,
  LogoutAnswer,
  MAX_BODY_BYTES,
  type Parsed,
  PasswordChanged,
  PROVED_SESSION_HEADER,
  Problem,
  parseJson,
  parseVersion,
  RenewAnswer,
  SESSION_BEGAN_HEADER,
  ServerStatus,
  SessionRefreshed,
  type StatementServer,
  type ThinmanEvent,
  UserBundle,
  VERSION_HEADER,
} from '@thinman/protocol';
import type {
  Answer,
  BundleAnswer,
  Clock,
  DeviceIdentity,
  FileClient,
  OpenSessionWords,
  ServerClient,
} from '../ports.ts';
import { exchange, type HttpCall, type HttpOutcome } from './http-exchange.ts';
import { createRoundTrips, type RoundTrips } from './round-trips.ts';
import { connectTls, type TlsCredentials, tlsCredentials } from './tls.ts';
import { VerifyingAgent } from './verifying-agent.ts';

/** Connections to one server that are kept: a login, its probe, a bundle and a batch of events can be under way at once. */
const KEPT_CONNECTIONS = 4;
/** An idle connection is kept this long, unless the server's keep-alive hint says otherwise. */
const KEEP_ALIVE_MS = 60_000;
const CONNECT_ROUND_TRIPS = 4; // `failover.md`, "connect + TLS deadline"

export type ServerClientOptions = {
  readonly clock: Clock;
  /** Read again after `reset`. */
  readonly identity: () => DeviceIdentity;
  /** Least deadline of connect + TLS in ms; the real one is max(this, 4 × measured round trip). */
  readonly connectDeadlineMs?: () => number;
  /** Where others measure as well. */
  readonly roundTrips?: RoundTrips;
};

type ParseBody<T> = (outcome: Extract<HttpOutcome, { kind: 'response' }>) => Parsed<T>;

/** HTTPS to the servers of the list: mutual TLS, keys pinned by the statement, one agent of `node:https` a server, answers parsed once. */
export function createServerClient(options: ServerClientOptions): ServerClient & FileClient {
  const { clock } = options;
  const connectDeadlineMs = options.connectDeadlineMs ?? (() => DEFAULT_AGENT_TIMINGS.connectDeadlineMs);
  const { roundTrips = createRoundTrips() } = options;
  const agents = new Map<string, VerifyingAgent>();
  let credentials: TlsCredentials | undefined;
  let isClosed = false;

  function shown(): TlsCredentials {
    credentials ??= tlsCredentials(options.identity());
    return credentials;
  }

  function agentOf(server: StatementServer): VerifyingAgent {
    const key = serverKey(server);
    let agent = agents.get(key);
    if (agent === undefined) {
      agent = createAgent(server);
      agents.set(key, agent);
    }
    return agent;
  }

  function createAgent(server: StatementServer): VerifyingAgent {
    const url = new URL(server.url);
    return new VerifyingAgent(
      done => {
        const measuredMs = roundTrips.of(serverKey(server)) ?? 0;
        const deadlineMs = Math.max(connectDeadlineMs(), CONNECT_ROUND_TRIPS * measuredMs);
        const onRoundTrip = (ms: number) => roundTrips.add(serverKey(server), ms);
        const { keyHash } = server;
        return connectTls({ url, credentials: shown, clock, deadlineMs, keyHash, onRoundTrip }, done);
      },
      { most: KEPT_CONNECTIONS, idleMs: KEEP_ALIVE_MS },
    );
  }

  async function call<T>(server: StatementServer, request: HttpCall, parse: ParseBody<T>): Promise<Answer<T>> {
    const startedMs = clock.monotonicMs();
    const outcome = await exchange(agentOf(server), new URL(server.url), request);
    const elapsedMs = clock.monotonicMs() - startedMs;
    if (outcome.kind === 'response') return answerOf(outcome, parse, elapsedMs);
    // Whatever broke off then, it was this side that did it.
    return { ...outcome, ...(isClosed && { reason: 'aborted' }), elapsedMs };
  }

  function bundle<B>(
    server: StatementServer,
    path: string,
    headers: Record<string, string>,
    etag: string | undefined,
    schema: (text: string) => Parsed<B>,
    signal: AbortSignal,
  ): Promise<Answer<BundleAnswer<B>>> {
    const condition = etag === undefined ? undefined : { 'if-none-match': `"${etag}"` };
    return call<BundleAnswer<B>>(
      server,
      { method: 'GET', path, headers: { ...headers, ...condition }, signal },
      response => {
        if (response.status === 304 && etag !== undefined) {
          const version = parseVersion(response.header(VERSION_HEADER) ?? '');
          return version === undefined
            ? { ok: false, problems: [{ field: VERSION_HEADER, message: 'is missing' }] }
            : { ok: true, value: { changed: false, version } };
        }
        const parsed = schema(response.text);
        return parsed.ok ? { ok: true, value: { changed: true, bundle: parsed.value } } : parsed;
      },
    );
  }

  return {
    async readyz(server, signal) {
      const answer = await call(server, { method: 'GET', path: '/readyz', signal }, ({ text }) =>
        parseJson(ServerStatus, text, MAX_BODY_BYTES),
      );
      if (answer.kind === 'ok') roundTrips.add(serverKey(server), answer.elapsedMs);
      return answer;
    },
    begin: (server, user, signal) =>
      call(server, { method: 'POST', path: '/v1/login/begin', body: { user }, signal }, ({ text }) =>
        parseJson(LoginBeginAnswer, text, MAX_BODY_BYTES),
      ),
    login(server, body, known, signal, proved) {
      const headers = {
        ...(known !== undefined && { [KNOWN_SUBJECT_HEADER]: formatVersion(known) }),
        ...ofProved(proved),
      };
      return call(server, { method: 'POST', path: '/v1/login', headers, body, signal }, ({ text }) =>
        parseJson(LoginGranted, text, MAX_BODY_BYTES),
      );
    },
    changePassword(server, body, known, signal) {
      const headers = known === undefined ? {} : { [KNOWN_SUBJECT_HEADER]: formatVersion(known) };
      return call(server, { method: 'POST', path: '/v1/password', headers, body, signal }, ({ text }) =>
        parseJson(PasswordChanged, text, MAX_BODY_BYTES),
      );
    },
    deviceBundle: (server, etag, signal) =>
      bundle(server, '/v1/device/bundle', {}, etag, text => parseJson(DeviceBundle, text, MAX_BODY_BYTES), signal),
    userBundle: (server, token, etag, signal) =>
      bundle(
        server,
        '/v1/user/bundle',
        bearer(token),
        etag,
        text => parseJson(UserBundle, text, MAX_BODY_BYTES),
        signal,
      ),
    refreshSession: (server, token, signal) =>
      call(server, { method: 'POST', path: '/v1/session', headers: bearer(token), body: {}, signal }, ({ text }) =>
        parseJson(SessionRefreshed, text, MAX_BODY_BYTES),
      ),
    vouch: (server, body, signal, proved) =>
      call(server, { method: 'POST', path: '/v1/session/vouch', headers: ofProved(proved), body, signal }, ({ text }) =>
        parseJson(LoginGranted, text, MAX_BODY_BYTES),
      ),
    logout: (server, token, signal) =>
      call(server, { method: 'POST', path: '/v1/logout', headers: bearer(token), body: {}, signal }, ({ text }) =>
        parseJson(LogoutAnswer, text, MAX_BODY_BYTES),
      ),
    sendEvents: (server, events, signal) =>
      call(server, { method: 'POST', path: '/v1/events', body: { events: fitting(events) }, signal }, ({ text }) =>
        parseJson(EventBatchAnswer, text, MAX_BODY_BYTES),
      ),
    renew: (server, csr, signal) =>
      call(server, { method: 'POST', path: '/v1/renew', body: { csr }, signal }, ({ text }) =>
        parseJson(RenewAnswer, text, MAX_BODY_BYTES),
      ),
    file(server, sha256, { from, to }, signal) {
      const headers = { accept: 'application/octet-stream', range: `bytes=${from}-${to}` };
      return call(server, { method: 'GET', path: `${FILE_PATH}${sha256}`, headers, signal }, ({ status, bytes }) => {
        // Bytes parse as anything: those of a 503 are a problem document, and no part of a file.
        if (bytes === undefined || (status !== HTTP_OK && status !== HTTP_PARTIAL)) {
          return { ok: false, problems: [{ field: '', message: 'is no part of a file' }] };
        }
        return { ok: true, value: { from: status === HTTP_PARTIAL ? from : 0, bytes } };
      });
    },
    roundTripMs: server => roundTrips.of(serverKey(server)),
    reset() {
      credentials = undefined;
      const old = [...agents.values()];
      agents.clear();
      // What is under way ends by itself; nothing new goes over the old connections.
      for (const agent of old) agent.retire();
    },
    async close() {
      isClosed = true;
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}

/** Its name among round trips and pools. */
export function serverKey({ url, keyHash }: StatementServer): string {
  return `${url} ${keyHash}`;
}

function ofProved(session: OpenSessionWords | undefined): Record<string, string> {
  if (session === undefined) return {};
  return { [PROVED_SESSION_HEADER]: session.loginId, [SESSION_BEGAN_HEADER]: `${session.beganMs}` };
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

const HTTP_OK = 200;
const HTTP_PARTIAL = 206;

/** A `/readyz` of 503 carries the server's status as well as one of 200 does. */
const HTTP_SERVICE_UNAVAILABLE = 503;

/** What a response says, read by the protocol. */
export function answerOf<T>(
  response: Extract<HttpOutcome, { kind: 'response' }>,
  parse: ParseBody<T>,
  elapsedMs: number,
): Answer<T> {
  const { status, text } = response;
  const succeeded = (status >= 200 && status < 300) || status === 304;
  if (succeeded || status === HTTP_SERVICE_UNAVAILABLE) {
    const parsed = parse(response);
    if (parsed.ok) return { kind: 'ok', value: parsed.value, elapsedMs };
    if (succeeded) return notOurs(`HTTP ${status}: ${describeProblems(parsed.problems)}`, elapsedMs);
  }
  const parsed = parseJson(Problem, text, MAX_BODY_BYTES);
  if (!parsed.ok) return notOurs(`HTTP ${status} without a problem document`, elapsedMs);
  return { kind: 'problem', problem: parsed.value, body: parsed.value, elapsedMs };
}

function notOurs<T>(detail: string, elapsedMs: number): Answer<T> {
  return { kind: 'failed', reason: 'not_our_schema', detail, elapsedMs };
}

/** As many events, from the first on, as a body may hold; the others go with the next batch. */
function fitting(events: readonly ThinmanEvent[]): readonly ThinmanEvent[] {
  let bytes = 64; // the frame around the list
  const fit = events.findIndex(event => {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
    return bytes > MAX_BODY_BYTES;
  });
  return fit === -1 ? events : events.slice(0, Math.max(fit, 1));
}
