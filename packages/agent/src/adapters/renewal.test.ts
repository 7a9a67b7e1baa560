import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import {
  DEVICE_CERTIFICATE_LIFETIME_MS,
  type ErrorCode,
  problem,
  type RenewAnswer,
  type SiteStatement,
} from '@thinman/protocol';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { deviceIdentity } from '../../../../test/support/tls-lab.ts';
import {
  createTrust,
  publicKeyOfCsr,
  statementOf,
  statementServer,
  type Trust,
} from '../../../../test/support/trust.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import type { Answer, DeviceIdentity } from '../ports.ts';
import { spkiHash } from './device-key.ts';
import { createRenewal, type Renewal, type RenewalOptions, type Renewed } from './renewal.ts';
import { verifyStatement } from './statement.ts';

/** More than the time from one look to the next. */
const A_LOOK_MS = 16 * 60_000;
const DAY_MS = 24 * 3_600_000;

type Reply = (csr: string, signal: AbortSignal) => Promise<Answer<RenewAnswer>>;

let trust: Trust;
let clock: ManualClock;
let issuedAtMs: number;
let identity: DeviceIdentity;
let renewal: Renewal;
let asked: string[];
let kept: Renewed[];
let defects: unknown[];
let reply: Reply;
let statement: SiteStatement;
let keep: (renewed: Renewed) => void;

const answered = (certificate: string): Answer<RenewAnswer> => {
  return { kind: 'ok', value: { certificate, caCertificates: [] }, elapsedMs: 1 };
};
const grant: Reply = async () => answered((await trust.device(identity.privateKey)).certificate);
const refuse = (code: ErrorCode): Reply => {
  return async () => ({ kind: 'problem', problem: problem(code), body: {}, elapsedMs: 1 });
};
const unreachable: Reply = async () => ({ kind: 'failed', reason: 'refused', detail: 'refused', elapsedMs: 1 });
const atShare = (share: number) => clock.setNow(issuedAtMs + share * DEVICE_CERTIFICATE_LIFETIME_MS);
const settled = () => waitFor('the renewal to be kept', () => kept.at(-1));

beforeEach(async () => {
  trust = await createTrust();
  clock = manualClock();
  issuedAtMs = clock.nowMs();
  identity = { ...(await deviceIdentity(trust)), certificateIssuedAtMs: issuedAtMs };
  [asked, kept, defects] = [[], [], []];
  reply = grant;
  statement = statementOf(trust, [statementServer('https://127.0.0.1:1', identity.keyHash)]);
  keep = renewed => {
    kept.push(renewed);
    identity = { ...identity, certificate: renewed.certificate, certificateIssuedAtMs: renewed.issuedAtMs };
  };
  renewal = createRenewal({ ...options(), firstRetryMs: 1 });
});

function options(): RenewalOptions {
  return {
    client: {
      renew(_server, csr, signal) {
        asked.push(csr);
        return reply(csr, signal);
      },
    },
    identity: () => identity,
    primary: () => statementServer('https://127.0.0.1:1', identity.keyHash),
    statement: () => statement,
    verifyStatement: signed => verifyStatement(signed, identity.caCertificates),
    keep: renewed => keep(renewed),
    clock,
    nowMs: clock.nowMs,
    random: () => 0.5,
    onDefect: error => defects.push(error),
  };
}

test('a certificate is renewed at two thirds of its lifetime, not before, and then not again', async () => {
  renewal.look();
  atShare(0.6);
  await clock.advance(A_LOOK_MS);
  assert.equal(asked.length, 0);
  atShare(0.73);
  await clock.advance(A_LOOK_MS);
  const renewed = await settled();
  assert.equal(spkiHash(await publicKeyOfCsr(asked[0] ?? '')), identity.keyHash);
  assert.deepEqual([renewed.hadExpired, renewed.issuedAtMs <= clock.nowMs()], [false, true]);
  await clock.advance(A_LOOK_MS);
  assert.equal(asked.length, 1);
});

test('where the time of issue is not known, what remains decides', async () => {
  identity = { ...identity, certificateIssuedAtMs: undefined };
  renewal.look();
  await clock.advance(A_LOOK_MS);
  assert.equal(asked.length, 0);
  atShare(0.73);
  await clock.advance(A_LOOK_MS);
  await settled();
});

test('an expired certificate is renewed at once', async () => {
  atShare(1.1);
  renewal.look();
  await clock.advance(0);
  assert.equal((await settled()).hadExpired, true);
});

test('under a clock that is wrong it is renewed once a day at most', async () => {
  atShare(1.5);
  renewal.look();
  await clock.advance(0);
  await settled();
  await clock.advance(DAY_MS - A_LOOK_MS);
  assert.equal(asked.length, 1);
  await clock.advance(2 * A_LOOK_MS);
  assert.equal(asked.length, 2);
});

describe('a Primary that cannot', () => {
  beforeEach(() => atShare(0.8));

  for (const [what, failing] of [
    ['is not reached', unreachable],
    ['is draining', refuse('draining')],
    ['has lost its database', refuse('database_unavailable')],
    ['is the Primary no more', refuse('not_primary')],
  ] as const)
    test(`and ${what} is asked again`, async () => {
      reply = (...args) => (asked.length < 3 ? failing(...args) : grant(...args));
      renewal.look();
      await clock.advance(A_LOOK_MS);
      await settled();
      assert.deepEqual([asked.length, defects.length], [3, 0]);
    });

  for (const code of ['device_revoked', 'device_unknown', 'bad_request'] as const)
    test(`and refuses (${code}) is left alone until the next look`, async () => {
      reply = refuse(code);
      renewal.look();
      await clock.advance(60_000);
      assert.equal(asked.length, 1);
      await clock.advance(A_LOOK_MS);
      assert.equal(asked.length, 2);
      assert.deepEqual([kept, defects], [[], []]);
    });
});

describe('what does not fit is not kept', () => {
  beforeEach(() => atShare(0.8));

  for (const [what, certificate] of [
    ['a certificate for another key', async () => (await trust.device()).certificate],
    ['a certificate of another CA', async () => (await (await createTrust()).device(identity.privateKey)).certificate],
    ['no certificate', async () => 'garbage'],
  ] as const)
    test(what, async () => {
      reply = async () => answered(await certificate());
      renewal.look();
      await clock.advance(60_000);
      await waitFor('the round to end', () => clock.waiting() || undefined);
      assert.deepEqual([kept, asked.length], [[], 1]);
    });
});

test('a disk that takes nothing is told, and the next look tries again', async () => {
  atShare(0.8);
  const real = keep;
  keep = () => {
    throw new Error('ENOSPC');
  };
  renewal.look();
  await clock.advance(60_000);
  await waitFor('the defect', () => defects.at(0));
  keep = real;
  await clock.advance(A_LOOK_MS);
  await settled();
  assert.equal(asked.length, 2);
});

test('a stop ends the attempt that is running, and nothing is kept or asked afterwards', async () => {
  atShare(0.8);
  reply = (csr, signal) => new Promise(resolve => signal.addEventListener('abort', () => resolve(grant(csr, signal))));
  renewal.look();
  await clock.advance(60_000);
  assert.equal(asked.length, 1);
  await renewal.stop();
  renewal.look();
  await clock.advance(DAY_MS);
  assert.deepEqual([asked.length, kept, defects, clock.waiting()], [1, [], [], 0]);
});

test('a stop ends the wait between two attempts', async () => {
  atShare(0.8);
  reply = unreachable;
  const patient = createRenewal(options());
  patient.look();
  await clock.advance(60_000);
  assert.equal(asked.length, 1);
  await patient.stop();
  assert.deepEqual([asked.length, defects], [1, []]);
});

describe('the site changes its CA', () => {
  let next: Trust;
  beforeEach(async () => {
    next = await createTrust();
    statement = { ...statement, version: 2, caPins: [next.pin, trust.pin] };
  });
  const grantByNext = async (answer: Partial<RenewAnswer> = {}): ReturnType<Reply> => {
    const { certificate } = await next.device(identity.privateKey);
    return { kind: 'ok', value: { certificate, caCertificates: [], ...answer }, elapsedMs: 1 };
  };

  test('a device that trusts the CA which issues now renews long before its certificate is due, and once', async () => {
    identity = { ...identity, caCertificates: [next.caCertificate, trust.caCertificate] };
    reply = () => grantByNext();
    renewal.lookLater();
    await clock.advance(A_LOOK_MS);
    await settled();
    await clock.advance(3 * A_LOOK_MS);
    assert.equal(asked.length, 1);
  });

  test('a device that does not trust it yet waits', async () => {
    renewal.lookLater();
    await clock.advance(3 * A_LOOK_MS);
    assert.equal(asked.length, 0);
  });

  test('a device whose certificate expired meanwhile learns of the CA with its certificate, from what the old one signed', async () => {
    atShare(1.1);
    const caCertificates = [next.caCertificate, trust.caCertificate];
    reply = () => grantByNext({ caCertificates, statement: trust.sign(statement) });
    renewal.look();
    await clock.advance(0);
    assert.deepEqual(new Set((await settled()).caCertificates), new Set(caCertificates));
  });

  test('nobody is believed about a CA that the old one has not signed for', async () => {
    atShare(1.1);
    const caCertificates = [next.caCertificate, trust.caCertificate];
    reply = () => grantByNext({ caCertificates, statement: next.sign(statement) });
    renewal.look();
    await clock.advance(60_000);
    await waitFor('the round to end', () => clock.waiting() || undefined);
    assert.deepEqual([kept, asked.length], [[], 1]);
  });
});
