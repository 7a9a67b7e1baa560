import { createPrivateKey, randomBytes } from 'node:crypto';
import {
  decodeToken,
  type EnrollAnswer,
  nameProblem,
  type Problem,
  type TokenContent,
  visible,
} from '@thinman/protocol';
import { agentPaths, prepareDataFolder } from '../config.ts';
import type { Clock, DeviceIdentity } from '../ports.ts';
import { openCache } from './cache.ts';
import { lockDataFolder } from './cache-lock.ts';
import { systemClock } from './clock.ts';
import { casOf, createCsr, isCertificateFor, spkiHash } from './device-key.ts';
import { type EnrollOutcome, fetchCa, postEnroll } from './enrolment-http.ts';
import { foreignFolder } from './foreign-folder.ts';
import { DEVICE_SECRET_BYTES, keyForEnrolment, openIdentityStore } from './identity-store.ts';
import { verifyStatement } from './statement.ts';

export type EnrolmentFailure =
  | 'bad_name'
  | 'bad_token'
  | 'already_enrolled'
  | 'folder_in_use'
  | 'foreign_folder'
  | 'pin_mismatch'
  | 'refused'
  | 'no_primary'
  | 'unreachable'
  | 'answer_not_valid';

/** `message` is one line for people: what is wrong and what to do. */
export type EnrolmentResult =
  | { readonly ok: true; readonly siteId: string; readonly deviceId: string; readonly name: string }
  | { readonly ok: false; readonly why: EnrolmentFailure; readonly code?: string; readonly message: string };

/** What an enrolment needs. */
export type EnrolmentOptions = {
  readonly token: string;
  readonly dataDir: string;
  readonly name?: string | undefined;
  readonly clock?: Clock;
};

/**
 * Makes this device one of the site: CA by the token's pin, key and certificate, statement, `deviceSecret`. What fails is a
 * value; throws only what `node:fs` throws, and IdentityDamaged.
 */
export async function enroll(options: EnrolmentOptions): Promise<EnrolmentResult> {
  const { dataDir, name, clock = systemClock } = options;
  const badName = name === undefined ? undefined : nameProblem(name);
  if (badName !== undefined) return refusal('bad_name', `${badName}: choose another with --name`);
  const token = decodeToken(options.token);
  if (!token.ok) return refusal('bad_token', token.why);
  if (token.content.for !== 'device')
    return refusal('bad_token', 'this token is for a server: make one with `thinman token device`');

  const foreign = foreignFolder(agentPaths(dataDir));
  if (foreign !== undefined) {
    return refusal('foreign_folder', `${agentPaths(dataDir).dataDir} ${foreign}: choose an empty folder with --data`);
  }
  const paths = prepareDataFolder(dataDir);
  const lock = lockDataFolder(paths.lockFile);
  if (lock === undefined)
    return refusal('folder_in_use', `another agent uses ${paths.dataDir}: stop it, or choose another --data`);
  try {
    const store = openIdentityStore(paths.identityDir);
    const present = store.load();
    if (present !== undefined)
      return refusal(
        'already_enrolled',
        `${paths.dataDir} is enrolled already, as ${present.name}: re-enrolment is an administrator's act, in a new folder`,
      );

    const privateKey = keyForEnrolment(paths.identityDir);
    const asked = await askPrimary(token.content, { privateKey, name, clock });
    if (!asked.ok) return asked.refusal;
    const { answer, caCertificates, serverKeyHash } = asked;
    const checked = checkAnswer(answer, caCertificates, serverKeyHash, privateKey, clock.nowMs());
    if (checked.identity === undefined) return refusal('answer_not_valid', checked.problem);

    store.save(checked.identity);
    store.saveStatement(answer.statement);
    // No server whose data are older can know this device yet.
    const cache = openCache(paths.cacheFile, { ...checked.identity, clock });
    cache.setAcceptedVersion(answer.version);
    cache.close();
    const { siteId, deviceId } = checked.identity;
    return { ok: true, siteId, deviceId, name: checked.identity.name };
  } finally {
    lock.release();
  }
}

type Refusal = Extract<EnrolmentResult, { ok: false }>;

function refusal(why: EnrolmentFailure, message: string, code?: string): Refusal {
  return { ok: false, why, message, ...(code !== undefined && { code }) };
}

type Asked =
  | {
      readonly ok: true;
      readonly answer: EnrollAnswer;
      readonly caCertificates: readonly string[];
      readonly serverKeyHash: string;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/** The token's servers in their order, and whom a Secondary names as Primary, until one gives a final answer. */
async function askPrimary(
  token: TokenContent,
  device: { readonly privateKey: string; readonly name: string | undefined; readonly clock: Clock },
): Promise<Asked> {
  const body = {
    secret: token.secret,
    csr: createCsr(device.privateKey, device.name ?? 'thinman-device'),
    ...(device.name !== undefined && { name: device.name }),
  };
  const open = [...token.urls];
  const seen = new Set<string>();
  const failures: Refusal[] = [];

  for (let url = open.shift(); url !== undefined; url = open.shift()) {
    const target = new URL(url);
    if (seen.has(target.origin)) continue;
    seen.add(target.origin);

    const ca = await fetchCa(target);
    if (ca.kind === 'failed') {
      failures.push(refusal('unreachable', `${target.origin} (${ca.detail})`));
      continue;
    }
    const caCertificates = casOf(token.pins, ca.certificates);
    if (caCertificates.length === 0) {
      failures.push(refusal('pin_mismatch', `${target.origin} shows another CA than the token names`));
      continue;
    }
    const outcome: EnrollOutcome = await postEnroll(target, caCertificates, body, device.clock);
    if (outcome.kind === 'ok') return { ...outcome, ok: true, caCertificates };
    if (outcome.kind === 'failed') {
      failures.push(refusal('unreachable', `${target.origin} (${outcome.detail})`));
    } else if (isFinal(outcome.problem)) {
      return { ok: false, refusal: explainRefusal(outcome.problem, device.name) };
    } else {
      failures.push(refusal('no_primary', `${target.origin} (${outcome.problem.code})`, outcome.problem.code));
      const primary = outcome.problem.primaryUrl;
      if (primary?.startsWith('https://') && URL.canParse(primary)) open.unshift(primary);
    }
  }
  return { ok: false, refusal: summary(failures) };
}

/** Any other server would give the same answer. */
function isFinal(problem: Problem): boolean {
  return ['token_invalid', 'name_taken', 'bad_request', 'conflict'].includes(problem.code);
}

const ASK_FOR_TOKEN = 'ask an administrator for a new one (`thinman token device`)';

function explainRefusal(problem: Problem, name: string | undefined): Refusal {
  switch (problem.code) {
    case 'token_invalid':
      return refusal(
        'refused',
        problem.detail === undefined
          ? `the token is unknown, used up or expired: ${ASK_FOR_TOKEN}`
          : `the token is refused (${visible(problem.detail)}): use it as it was made, or ${ASK_FOR_TOKEN}`,
        problem.code,
      );
    case 'name_taken':
      return refusal('refused', `a device named ${name ?? ''} exists already: choose another --name`, problem.code);
    default:
      return refusal('refused', visible(problem.detail ?? problem.title), problem.code);
  }
}

/** One line out of several servers' answers. A wrong CA comes first: it is an attack or a wrong token, never an outage. */
function summary(failures: readonly Refusal[]): Refusal {
  const where = failures.map(failure => failure.message).join('; ');
  if (failures.some(failure => failure.why === 'pin_mismatch'))
    return refusal(
      'pin_mismatch',
      `the CA does not fit the token's pin, so nothing was sent: ${where}; use a token of this site, and suspect the network`,
    );
  if (failures.some(failure => failure.why === 'no_primary'))
    return refusal('no_primary', `enrolment needs the Primary, which cannot be reached now: ${where}; try again later`);
  return refusal('unreachable', `no server can be reached: ${where}; check network and addresses, then try again`);
}

/**
 * What came back must fit: a statement of the pinned CA which knows the server that we spoke to, and a certificate for our key
 * of a CA which that statement names (two while the CA is changed).
 */
export function checkAnswer(
  answer: EnrollAnswer,
  pinned: readonly string[],
  serverKeyHash: string,
  privateKey: string,
  certificateIssuedAtMs: number,
): { readonly identity: DeviceIdentity } | { readonly identity: undefined; readonly problem: string } {
  const unfit = (problem: string) => ({
    identity: undefined,
    problem: `the server's answer cannot be used: ${problem}`,
  });
  const statement = verifyStatement(answer.statement, pinned, answer.siteId);
  if (statement === undefined) return unfit('the site statement is not signed by the site');
  if (!statement.servers.some(server => server.keyHash === serverKeyHash))
    return unfit('the site statement does not know the server that gave it');
  const key = createPrivateKey(privateKey);
  const caCertificates = casOf(statement.caPins, [...pinned, ...answer.caCertificates]);
  if (!isCertificateFor(answer.certificate, key, caCertificates))
    return unfit('the certificate does not fit the key of this device');
  const { siteId, deviceId, name, certificate } = answer;
  const identity: DeviceIdentity = {
    siteId,
    deviceId,
    name,
    privateKey,
    certificate,
    certificateIssuedAtMs,
    caCertificates,
    keyHash: spkiHash(key),
    deviceSecret: randomBytes(DEVICE_SECRET_BYTES),
  };
  return { identity };
}
