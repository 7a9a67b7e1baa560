import { X509Certificate } from 'node:crypto';
import { connect as connectUnverified, type TLSSocket } from 'node:tls';
import { CaAnswer, EnrollAnswer, type EnrollRequest, MAX_BODY_BYTES, Problem, parseJson } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { spkiHash } from './device-key.ts';
import { exchange, type HttpCall, type HttpOutcome } from './http-exchange.ts';
import { ConnectFailure, connectTls, hostOf, portOf, tlsCredentials } from './tls.ts';
import { VerifyingAgent } from './verifying-agent.ts';

/** An administrator waits for it, once; far above any handshake, below anybody's patience. */
const CALL_DEADLINE_MS = 10_000;

export type CallFailure = { readonly kind: 'failed'; readonly detail: string };

/**
 * The site's CA certificates as a server gives them (`GET /v1/ca`). The connection trusts nobody, shows no certificate and
 * carries nothing but the question: what comes back is worth what the token's pin makes of it.
 */
export async function fetchCa(
  url: URL,
  deadlineMs = CALL_DEADLINE_MS,
): Promise<{ kind: 'ok'; certificates: readonly string[] } | CallFailure> {
  const agent = new VerifyingAgent(done => {
    const socket: TLSSocket = connectUnverified({
      host: hostOf(url),
      port: portOf(url),
      // Nobody can be trusted yet: the token's pin judges what comes back, and nothing secret is sent.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
      timeout: deadlineMs,
    });
    socket.once('secureConnect', () => done(undefined, socket));
    socket.once('error', error => done(error, undefined));
    // A server that was stopped: its kernel takes the connection, and nobody answers.
    socket.once('timeout', () => socket.destroy(new ConnectFailure('timeout', 'no answer within the deadline')));
    return () => socket.destroy(new ConnectFailure('aborted', 'given up'));
  });
  const outcome = await callOnce(agent, url, { method: 'GET', path: '/v1/ca' }, deadlineMs);
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
  const credentials = () => tlsCredentials({ caCertificates });
  let serverKeyHash = '';
  const agent = new VerifyingAgent(done =>
    connectTls({ url, credentials, clock, deadlineMs: CALL_DEADLINE_MS, keyHash: undefined }, (failure, socket) => {
      if (socket !== undefined)
        serverKeyHash = spkiHash(new X509Certificate(socket.getPeerCertificate().raw).publicKey);
      done(failure, socket);
    }),
  );
  const outcome = await callOnce(agent, url, { method: 'POST', path: '/v1/enroll', body });
  if (outcome.kind === 'failed') return failed(`${outcome.reason}: ${outcome.detail}`);
  const answer = parseJson(EnrollAnswer, outcome.text, MAX_BODY_BYTES);
  if (outcome.status < 300 && answer.ok) return { kind: 'ok', answer: answer.value, serverKeyHash };
  const problem = parseJson(Problem, outcome.text, MAX_BODY_BYTES);
  if (outcome.status >= 400 && problem.ok) return { kind: 'problem', problem: problem.value };
  return failed(`HTTP ${outcome.status}: the answer is not one of the protocol`);
}

async function callOnce(
  agent: VerifyingAgent,
  url: URL,
  call: Omit<HttpCall, 'signal'>,
  deadlineMs = CALL_DEADLINE_MS,
): Promise<HttpOutcome> {
  try {
    return await exchange(agent, url, { ...call, signal: AbortSignal.timeout(deadlineMs) });
  } finally {
    agent.destroy();
  }
}

function failed(detail: string): CallFailure {
  return { kind: 'failed', detail };
}
