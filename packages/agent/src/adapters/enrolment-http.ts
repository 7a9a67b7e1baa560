import { X509Certificate } from 'node:crypto';
import { connect as connectUnverified, type TLSSocket } from 'node:tls';
import { CaAnswer, EnrollAnswer, type EnrollRequest, MAX_BODY_BYTES, Problem, parseJson } from '@thinman/protocol';
import { Client } from 'undici';
import type { Clock } from '../ports.ts';
import { spkiHash } from './device-key.ts';
import { exchange, type HttpCall, type HttpOutcome } from './http-exchange.ts';
import { connectTls, hostOf, portOf, tlsCredentials } from './tls.ts';

/** An administrator waits for it, once; far above any handshake, below anybody's patience. */
const CALL_DEADLINE_MS = 10_000;

export type CallFailure = { readonly kind: 'failed'; readonly detail: string };

/**
 * The site's CA certificates as a server gives them (`GET /v1/ca`). The connection trusts nobody, shows no certificate and
 * carries nothing but the question: what comes back is worth what the token's pin makes of it.
 */
export async function fetchCa(url: URL): Promise<{ kind: 'ok'; certificates: readonly string[] } | CallFailure> {
  const client = new Client(url.origin, {
    connect(_options, callback) {
      const socket: TLSSocket = connectUnverified({
        host: hostOf(url),
        port: portOf(url),
        // Nobody can be trusted yet: the token's pin judges what comes back, and nothing secret is sent.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        ALPNProtocols: ['http/1.1'],
        timeout: CALL_DEADLINE_MS,
      });
      socket.once('secureConnect', () => callback(null, socket));
      socket.once('error', error => callback(error, null));
    },
  });
  const outcome = await callOnce(client, { method: 'GET', path: '/v1/ca' });
  if (outcome.kind === 'failed') return failed(`${outcome.reason}: ${outcome.detail}`);
  const parsed = parseJson(CaAnswer, outcome.text, MAX_BODY_BYTES);
  if (outcome.status !== 200 || !parsed.ok) return failed(`HTTP ${outcome.status}: no ThinMan server answers there`);
  return { kind: 'ok', certificates: parsed.value.certificates };
}

export type EnrollOutcome =
  | { readonly kind: 'ok'; readonly answer: EnrollAnswer; readonly serverKeyHash: string }
  | { readonly kind: 'problem'; readonly problem: Problem }
  | CallFailure;

/** `POST /v1/enroll` over a connection that trusts these CAs alone. */
export async function postEnroll(
  url: URL,
  caCertificates: readonly string[],
  body: EnrollRequest,
  clock: Clock,
): Promise<EnrollOutcome> {
  const credentials = tlsCredentials({ caCertificates });
  let serverKeyHash = '';
  const client = new Client(url.origin, {
    connect(_options, callback) {
      connectTls({ url, credentials, clock, deadlineMs: CALL_DEADLINE_MS, keyHash: undefined }, (failure, socket) => {
        if (socket === undefined) {
          callback(failure ?? new Error('no socket'), null);
          return;
        }
        serverKeyHash = spkiHash(new X509Certificate(socket.getPeerCertificate().raw).publicKey);
        callback(null, socket);
      });
    },
  });
  const outcome = await callOnce(client, { method: 'POST', path: '/v1/enroll', body });
  if (outcome.kind === 'failed') return failed(`${outcome.reason}: ${outcome.detail}`);
  const answer = parseJson(EnrollAnswer, outcome.text, MAX_BODY_BYTES);
  if (outcome.status < 300 && answer.ok) return { kind: 'ok', answer: answer.value, serverKeyHash };
  const problem = parseJson(Problem, outcome.text, MAX_BODY_BYTES);
  if (outcome.status >= 400 && problem.ok) return { kind: 'problem', problem: problem.value };
  return failed(`HTTP ${outcome.status}: the answer is not one of the protocol`);
}

async function callOnce(client: Client, call: Omit<HttpCall, 'signal'>): Promise<HttpOutcome> {
  try {
    return await exchange(client, { ...call, signal: AbortSignal.timeout(CALL_DEADLINE_MS) });
  } finally {
    await client.destroy();
  }
}

function failed(detail: string): CallFailure {
  return { kind: 'failed', detail };
}
