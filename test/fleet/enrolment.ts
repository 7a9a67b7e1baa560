import { X509Certificate } from 'node:crypto';
import { decodeToken, EnrollAnswer, MAX_BODY_BYTES, Problem, parseJson, type SignedStatement } from '@thinman/protocol';
import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import { casOf, createCsr, generateDeviceKey, spkiHash } from '../../packages/agent/src/adapters/device-key.ts';
import { checkAnswer } from '../../packages/agent/src/adapters/enrolment.ts';
import { fetchCa } from '../../packages/agent/src/adapters/enrolment-http.ts';
import { exchange } from '../../packages/agent/src/adapters/http-exchange.ts';
import { connectTls, tlsCredentials } from '../../packages/agent/src/adapters/tls.ts';
import { type Connect, VerifyingAgent } from '../../packages/agent/src/adapters/verifying-agent.ts';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';

/** An enrolment waits for the commits before it; a server that takes longer for all that are under way is down. */
const DEADLINE_MS = 60_000;
/** The server enrols those that wait together, sixteen at most. */
const AT_ONCE = 32;

/** As a run without --data leaves it, and one that was killed before it had the answer. */
const NAME_TAKEN_ADVICE =
  ', whose key is not here: name the --data that holds it, choose another --prefix, or remove it (thinman delete device NAME)';

/** Why a fleet could not be enrolled, in words for people. */
export class NotEnrolled extends Error {
  override readonly name = 'NotEnrolled';
}

/** Before anything is enrolled there. Of a text that is no token it says nothing. */
export function isOfAnotherSite(token: string, device: DeviceIdentity): boolean {
  const decoded = decodeToken(token);
  return decoded.ok && casOf(decoded.content.pins, device.caCertificates).length === 0;
}

export type Enrolled = { readonly identities: readonly DeviceIdentity[]; readonly signed: SignedStatement };

/**
 * Makes devices of these names with one token, over a few connections: the site's CA by the token's pin, and then what each
 * real device does. `signal`: no more are begun; those that are under way come to their end. Throws NotEnrolled.
 */
export async function enrolFleet(
  token: string,
  names: readonly string[],
  onProgress: (enrolled: readonly DeviceIdentity[], signed: SignedStatement) => void = () => {},
  signal?: AbortSignal,
): Promise<Enrolled> {
  const decoded = decodeToken(token);
  if (!decoded.ok) throw new NotEnrolled(decoded.why);
  const { content } = decoded;
  const url = new URL(content.urls[0] ?? '');
  const ca = await fetchCa(url);
  if (ca.kind === 'failed') throw new NotEnrolled(`${url.origin} does not answer: ${ca.detail}`);
  const pinned = casOf(content.pins, ca.certificates);
  if (content.for !== 'device' || pinned.length === 0)
    throw new NotEnrolled('the token is none for devices of this site');

  const waiting = [...names];
  const identities: DeviceIdentity[] = [];
  let signed: SignedStatement | undefined;
  const work = async () => {
    const { agent, serverKeyHash } = connectionTo(url, pinned);
    try {
      for (let name = waiting.shift(); name !== undefined && signal?.aborted !== true; name = waiting.shift()) {
        const privateKey = generateDeviceKey();
        const body = { secret: content.secret, csr: createCsr(privateKey, name), name };
        const answer = await post(agent, url, body);
        const { identity } = checkAnswer(answer, pinned, serverKeyHash(), privateKey, Date.now());
        if (identity === undefined) throw new NotEnrolled("the server's answer cannot be used");
        // One text for all: ten thousand copies of the site's CA would be most of what a device takes here.
        identities.push({ ...identity, caCertificates: pinned });
        signed = answer.statement;
        onProgress([identity], signed);
      }
    } finally {
      waiting.length = 0;
      agent.destroy();
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, names.length) }, work));
  if (signal?.aborted === true) throw new NotEnrolled(`interrupted after ${identities.length} of ${names.length}`);
  if (signed === undefined) throw new NotEnrolled('no device was to be enrolled');
  return { identities: identities.toSorted((a, b) => a.name.localeCompare(b.name)), signed };
}

function connectionTo(url: URL, caCertificates: readonly string[]) {
  const credentials = () => tlsCredentials({ caCertificates });
  let serverKeyHash = '';
  const connect: Connect = done => {
    const request = { url, credentials, clock: systemClock, deadlineMs: DEADLINE_MS, keyHash: undefined };
    return connectTls(request, (failure, socket) => {
      if (socket !== undefined)
        serverKeyHash = spkiHash(new X509Certificate(socket.getPeerCertificate().raw).publicKey);
      done(failure, socket);
    });
  };
  return { agent: new VerifyingAgent(connect, { most: 1 }), serverKeyHash: () => serverKeyHash };
}

async function post(agent: VerifyingAgent, url: URL, body: unknown): Promise<EnrollAnswer> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const outcome = await exchange(agent, url, { method: 'POST', path: '/v1/enroll', body, signal });
  if (outcome.kind === 'failed') throw new NotEnrolled(`the server gave no answer (${outcome.reason})`);
  const answer = parseJson(EnrollAnswer, outcome.text, MAX_BODY_BYTES);
  if (outcome.status < 300 && answer.ok) return answer.value;
  const problem = parseJson(Problem, outcome.text, MAX_BODY_BYTES);
  if (!problem.ok) throw new NotEnrolled(`HTTP ${outcome.status}: no ThinMan server`);
  const { code, detail, title } = problem.value;
  throw new NotEnrolled(`${detail ?? title}${code === 'name_taken' ? NAME_TAKEN_ADVICE : ''}`);
}
