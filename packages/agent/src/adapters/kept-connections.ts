import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import {
  MAX_BODY_BYTES,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  parseJson,
  ServerStatus,
  type StatementServer,
} from '@thinman/protocol';
import { errorCode } from '../error-code.ts';
import type { Answer, Clock, DeviceIdentity, FailureReason } from '../ports.ts';
import { answerOf, serverKey } from './http-client.ts';
import type { RoundTrips } from './round-trips.ts';
import { ConnectFailure, connectTls, HANDSHAKE_DEADLINE_MS, networkReason, tlsCredentials } from './tls.ts';
import { type Connect, VerifyingAgent } from './verifying-agent.ts';

/**
 * Connections over which servers were asked what they are, each kept for the channel that may follow: a device that moves makes one
 * handshake and not two, and so does its new server for each of thousands (ADR 0036).
 */
export type KeptConnections = {
  readyz(server: StatementServer, connectDeadlineMs: number, signal: AbortSignal): Promise<Answer<ServerStatus>>;
  /** For one channel, which has it for itself from now on: with the connection that is kept, or none yet. */
  take(server: StatementServer, connectDeadlineMs: number): VerifyingAgent;
  drop(): void;
};

export function createKeptConnections(options: {
  readonly clock: Clock;
  readonly identity: () => DeviceIdentity;
  /** Where others measure as well. */
  readonly roundTrips?: RoundTrips;
}): KeptConnections {
  const { clock, identity, roundTrips } = options;
  const kept = new Map<string, VerifyingAgent>();

  function connecting(server: StatementServer, deadlineMs: number): VerifyingAgent {
    const { url, keyHash } = server;
    // Of the wire alone: how long a busy server takes for a handshake says nothing of it.
    const onRoundTrip = (ms: number) => roundTrips?.add(serverKey(server), ms);
    const connect: Connect = done => {
      const credentials = () => tlsCredentials(identity());
      const deadlines = { deadlineMs, handshakeDeadlineMs: HANDSHAKE_DEADLINE_MS };
      return connectTls({ url: new URL(url), credentials, clock, ...deadlines, keyHash, onRoundTrip }, done);
    };
    return new VerifyingAgent(connect, { most: 1 });
  }

  return {
    async readyz(server, connectDeadlineMs, signal) {
      const agent = kept.get(serverKey(server)) ?? connecting(server, connectDeadlineMs);
      kept.set(serverKey(server), agent);
      const startedMs = clock.monotonicMs();
      let outcome = await ask(new URL('/readyz', server.url), agent, signal);
      // A connection that rested may have been closed by the other side at this very moment: that says nothing of the server.
      if (outcome.kind === 'stale') outcome = await ask(new URL('/readyz', server.url), agent, signal);
      const elapsedMs = clock.monotonicMs() - startedMs;
      if (outcome.kind === 'stale') return { kind: 'failed', reason: 'reset', detail: 'ECONNRESET', elapsedMs };
      if (outcome.kind === 'failed') return { ...outcome, elapsedMs };
      return answerOf(outcome, ({ text }) => parseJson(ServerStatus, text, MAX_BODY_BYTES), elapsedMs);
    },
    take(server, connectDeadlineMs) {
      const agent = kept.get(serverKey(server)) ?? connecting(server, connectDeadlineMs);
      kept.delete(serverKey(server));
      return agent;
    },
    drop() {
      for (const agent of kept.values()) agent.destroy();
      kept.clear();
    },
  };
}

type Asked =
  | { readonly kind: 'response'; readonly status: number; readonly header: () => undefined; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly detail: string }
  | { readonly kind: 'stale' };

function ask(url: URL, agent: VerifyingAgent, signal: AbortSignal): Promise<Asked> {
  return new Promise(resolve => {
    const headers = { accept: 'application/json', [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) };
    const request = httpsRequest(url, { agent, signal, headers }, response => resolve(read(response)));
    request.on('error', error => {
      if (request.reusedSocket && errorCode(error) === 'ECONNRESET') resolve({ kind: 'stale' });
      else resolve(failureOf(error, signal));
    });
    request.end();
  });
}

async function read(response: IncomingMessage): Promise<Asked> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += (chunk as Buffer).length;
      if (size > MAX_BODY_BYTES) {
        return { kind: 'failed', reason: 'not_our_schema', detail: `more than ${MAX_BODY_BYTES} bytes` };
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    return { kind: 'failed', reason: 'truncated', detail: errorCode(error) ?? 'unknown' };
  }
  return {
    kind: 'response',
    status: response.statusCode ?? 0,
    header: () => undefined,
    text: Buffer.concat(chunks).toString(),
  };
}

function failureOf(error: Error, signal: AbortSignal): Asked {
  if (signal.aborted) return { kind: 'failed', reason: 'aborted', detail: 'given up' };
  if (error instanceof ConnectFailure) return { kind: 'failed', reason: error.reason, detail: error.message };
  const code = errorCode(error) ?? 'unknown';
  if (code.startsWith('HPE_')) return { kind: 'failed', reason: 'not_our_schema', detail: code };
  return { kind: 'failed', reason: networkReason(error) ?? 'reset', detail: code };
}
