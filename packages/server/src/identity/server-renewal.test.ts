import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { beforeEach, describe, test } from 'node:test';
import type { CertificateFacts } from '@thinman/protocol';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import {
  createSiteCa,
  openCertificateAuthority,
  SERVER_CERTIFICATE_LIFETIME_MS,
  type SiteCa,
} from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { toPem } from './identity-files.ts';
import { keyHashOf } from './key-hash.ts';
import { pinOf } from './pins.ts';
import { createServerRenewal, type Issued, type ServerRenewal } from './server-renewal.ts';

const siteId = '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59';
/** More than the time from one look to the next. */
const A_LOOK_MS = 16 * 60_000;
const DAY_MS = 24 * 3_600_000;

let clock: ManualClock;
let ca: SiteCa;
let next: SiteCa;
let key: KeyObject;
let certificatePem: string;
let trusted: readonly SiteCa[];
let issuing: SiteCa;
let issue: (csr: string, signal: AbortSignal) => Promise<Issued>;
let asked: number;
let kept: CertificateFacts[];
let troubles: unknown[];
let renewal: ServerRenewal;

const certify = async (by: SiteCa, csr?: string) => {
  const authority = openCertificateAuthority(toPem(by.key), by.certificatePem, clock);
  return (await authority.issueServer(csr ?? (await createCsr(key)), 'primary', ['https://127.0.0.1'])).pem;
};
const notIssued = async (mayPass: boolean): Promise<Issued> => ({ kind: 'not_issued', why: 'so', mayPass });
const atShare = (share: number) => clock.setNow(clock.nowMs() + share * SERVER_CERTIFICATE_LIFETIME_MS);
const settled = () => waitFor('the renewal to be kept', () => kept.at(-1));
const inTrouble = () => waitFor('the trouble', () => troubles.at(-1));

beforeEach(async () => {
  clock = manualClock();
  [ca, next] = [await createSiteCa(siteId, clock.nowMs()), await createSiteCa(siteId, clock.nowMs())];
  key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  certificatePem = await certify(ca);
  [trusted, issuing, asked, kept, troubles] = [[ca], ca, 0, [], []];
  issue = async csr => ({ kind: 'issued', certificate: await certify(issuing, csr) });
  renewal = createServerRenewal({
    identity: {
      ...{ siteId, instance: siteId, name: 'primary', keyHash: keyHashOf(key), wrappingKey: '' },
      get tls() {
        return { keyPem: toPem(key), certificatePem };
      },
      get caCertificates() {
        return trusted.map(one => one.certificatePem);
      },
    },
    issuingPin: () => pinOf(issuing.certificatePem),
    issue(csr, signal) {
      asked += 1;
      return issue(csr, signal);
    },
    keep(pem, facts) {
      certificatePem = pem;
      kept.push(facts);
    },
    clock,
    random: () => 0.5,
    onTrouble: error => troubles.push(error),
    firstRetryMs: 1,
  });
});

test('is renewed at two thirds of its lifetime, not before, and then not again', async () => {
  renewal.look();
  atShare(0.6);
  await clock.advance(A_LOOK_MS);
  assert.equal(asked, 0);
  atShare(0.12);
  await clock.advance(A_LOOK_MS);
  const { issuer, expiresAt } = await settled();
  assert.equal(issuer, pinOf(ca.certificatePem));
  assert.ok(expiresAt > clock.nowMs() + SERVER_CERTIFICATE_LIFETIME_MS - DAY_MS);
  await clock.advance(3 * A_LOOK_MS);
  assert.equal(asked, 1);
});

test('is renewed at once when it has expired', async () => {
  atShare(1.1);
  renewal.look();
  await clock.advance(0);
  await settled();
});

test('is renewed soon, and once, when another CA issues', async () => {
  trusted = [next, ca];
  issuing = next;
  renewal.look();
  await clock.advance(60_000);
  assert.equal((await settled()).issuer, pinOf(next.certificatePem));
  await clock.advance(3 * A_LOOK_MS);
  assert.equal(asked, 1);
});

test('a Primary that cannot now is asked again', async () => {
  atShare(0.8);
  const real = issue;
  issue = (...args) => (asked < 3 ? notIssued(true) : real(...args));
  renewal.look();
  await clock.advance(60_000);
  await settled();
  assert.deepEqual([asked, troubles], [3, []]);
});

test('a Primary that refuses is left alone until the next look', async () => {
  atShare(0.8);
  issue = () => notIssued(false);
  renewal.look();
  await clock.advance(60_000);
  await inTrouble();
  assert.equal(asked, 1);
  await clock.advance(A_LOOK_MS);
  await waitFor('the second attempt', () => asked === 2 || undefined);
});

describe('what does not fit is not kept', () => {
  beforeEach(() => atShare(0.8));

  test('a certificate of a CA that this server does not trust', async () => {
    issue = async csr => ({ kind: 'issued', certificate: await certify(next, csr) });
    renewal.look();
    await clock.advance(60_000);
    await inTrouble();
    assert.deepEqual(kept, []);
  });

  test('a certificate for another key', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    issue = async () => ({ kind: 'issued', certificate: await certify(ca, await createCsr(other)) });
    renewal.look();
    await clock.advance(60_000);
    await inTrouble();
    assert.deepEqual([kept, asked], [[], 1]);
  });
});

test('a stop ends the attempt that is running, and nothing is kept or asked afterwards', async () => {
  atShare(0.8);
  const real = issue;
  issue = (csr, signal) => new Promise(resolve => signal.addEventListener('abort', () => resolve(real(csr, signal))));
  renewal.look();
  await clock.advance(60_000);
  await waitFor('the attempt', () => asked || undefined);
  await renewal.stop();
  renewal.look();
  await clock.advance(DAY_MS);
  assert.deepEqual([asked, kept, troubles, clock.waiting()], [1, [], [], 0]);
});
