import {
  type DeviceBody,
  type DeviceSystem,
  type EnrollAnswer,
  type EnrollmentTokenBody,
  type EnrollmentTokenSystem,
  type EnrollRequest,
  nameProblem,
  newNameProblem,
  type RenewAnswer,
  type Version,
} from '@thinman/protocol';
import { commit, refusalUnlessPrimary, type Touched, type Work } from '../admin-plane/commit.ts';
import { isCurrent } from '../admin-plane/device-keys.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { publicKeyOfCsr } from '../identity/csr.ts';
import { CsrRefused } from '../identity/errors.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { tokenSecretFits } from '../identity/token-secret.ts';
import type { CertificateAuthority, CommitTransaction, IssuedCertificate, StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';
import { inBatches } from './in-batches.ts';

type Refusal = { readonly code: 'token_invalid' | 'name_taken' | 'bad_request'; readonly detail: string };
type Enrolled = { readonly device: StoredObject; readonly certificate: string };

const ACTOR = { name: 'enrolment', role: 'owner' } as const;
const SHORT_ID_LENGTH = 8;
/** Others commit at the same moment: the replica is brought up to them, and asked again who has the key, so many times. */
const MAX_TRIES = 5;
const BUSY_RETRY_MS = 1_000;

/**
 * Devices that wait are enrolled in one commit, so many at most: their certificates take 0.1 s to make, for which the site row is
 * locked. A commit takes several writes that wait for the disk: alone, each device waits for all of them.
 */
const MAX_TOGETHER = 16;

/** Enrolment and renewal: administration that devices ask for, so on the Primary only. */
export type Enrolment = {
  /** One commit at a time: two devices with one key must not both find it unknown. */
  enroll(request: EnrollRequest): Promise<Outcome<EnrollAnswer>>;
  renew(device: StoredObject, csr: string): Promise<Outcome<RenewAnswer>>;
};

type Asked = { readonly request: EnrollRequest; readonly keyHash: string; readonly name: string };
type Decided = Refusal | Enrolled | 'stale';

export function createEnrolment(deps: DeviceDeps, randomUuid: () => string): Enrolment {
  const { write, identity, clock } = deps;

  const caHere = () => {
    const authority = deps.authority();
    return authority === undefined || refusalUnlessPrimary(write) !== undefined ? undefined : authority;
  };
  const notHere = () => refusalUnlessPrimary(write) ?? refused('not_primary', { detail: 'The site CA is not here.' });

  /** What can be said of a request by itself. */
  async function read(request: EnrollRequest): Promise<Outcome<Asked>> {
    if (caHere() === undefined) return notHere();
    const wrongName = request.name === undefined ? undefined : nameProblem(request.name);
    if (wrongName !== undefined) {
      return refused('bad_request', { problems: [{ field: 'name', message: wrongName }] });
    }
    const keyHash = await keyOfCsr(request.csr);
    if (keyHash === undefined) return badCsr();
    return done({ request, keyHash, name: request.name ?? `tc-${randomUuid().slice(0, SHORT_ID_LENGTH)}` });
  }

  /** Several in one commit, in their order. A key that comes twice is looked at again when the first one is in the replica. */
  async function decideAll(
    transaction: CommitTransaction,
    authority: CertificateAuthority,
    asked: readonly Asked[],
  ): Promise<Work<readonly Decided[]>> {
    const touched = new Map<string, Touched>();
    const keys = new Set<string>();
    const result: Decided[] = [];
    const isStale = !isCurrent(deps.replica, transaction);
    for (const one of asked) {
      if (isStale || keys.has(one.keyHash)) {
        result.push('stale');
        continue;
      }
      keys.add(one.keyHash);
      const decided = await decide(transaction, authority, one);
      result.push(decided.result);
      for (const change of decided.touched) touched.set(`${change.kind} ${change.name}`, change);
    }
    return { result, touched: [...touched.values()] };
  }

  async function decide(
    transaction: CommitTransaction,
    authority: CertificateAuthority,
    { request, keyHash, name }: Asked,
  ): Promise<Work<Refusal | Enrolled>> {
    const token = (await transaction.list('EnrollmentToken')).find(isTokenOf(request.secret));
    if (token === undefined) return { result: UNKNOWN_TOKEN, touched: [] };
    const usable = await usableToken(token, transaction, clock.nowMs());
    if ('code' in usable) return { result: usable, touched: [] };

    const known = await deviceWithKey(keyHash, transaction);
    if (known !== undefined && isRepeat(known, token, request.name)) {
      const reissued = await certify(authority, request.csr, known, token, transaction);
      return { result: reissued, touched: [{ kind: 'Device', name: known.name, change: 'updated' }] };
    }
    const { replaced } = usable;
    if (known !== undefined && known.uid !== replaced?.uid) return { result: keyTaken(known), touched: [] };
    if (usable.left === 0) return { result: invalid('the token has been used up'), touched: [] };
    if (replaced !== undefined) {
      if (request.name !== undefined && request.name !== replaced.name) {
        return { result: invalid(`this token is for the device ${replaced.name}`), touched: [] };
      }
      // Its name, its uid and all that was written about it stay; the key before is nobody's from now on.
      const enrolled = await certify(authority, request.csr, replaced, token, transaction);
      await countUse(token, transaction);
      return { result: enrolled, touched: touchedBy(token, replaced.name, 'updated') };
    }
    if ((await transaction.get('Device', name)) !== undefined) {
      return { result: { code: 'name_taken', detail: `there is a device ${name} already` }, touched: [] };
    }
    const badName = newNameProblem(name);
    if (badName !== undefined) return { result: { code: 'bad_request', detail: badName }, touched: [] };
    const body: DeviceBody = usable.group === undefined ? {} : { group: usable.group };
    // Its uid is given here; the certificate, which names it, follows in the same commit.
    const device = await transaction.put('Device', name, body, {});
    const enrolled = await certify(authority, request.csr, device, token, transaction);
    await countUse(token, transaction);
    return { result: enrolled, touched: touchedBy(token, name, 'created') };
  }

  async function enrollTogether(requests: readonly EnrollRequest[]): Promise<readonly Outcome<EnrollAnswer>[]> {
    const reads = await Promise.all(requests.map(read));
    const outcomes = new Map<Asked, Outcome<EnrollAnswer>>();
    let left = reads.flatMap(outcome => (outcome.ok ? [outcome.value] : []));
    for (let tries = 0; tries < MAX_TRIES && left.length > 0; tries++) {
      const authority = caHere();
      if (authority === undefined) break;
      // Others have committed meanwhile: what they did must be known here.
      if (tries > 0) await write.syncNow();
      const asked = left;
      const outcome = await commit(deps.write, ACTOR, transaction => decideAll(transaction, authority, asked));
      if (!outcome.ok) {
        for (const one of asked) outcomes.set(one, outcome);
        break;
      }
      const { version, result } = outcome.value;
      const answers = asked.map((one, at) => ({ one, decided: result[at] ?? 'stale' }));
      left = answers.filter(({ decided }) => decided === 'stale').map(({ one }) => one);
      await Promise.all(
        answers.map(async ({ one, decided }) => {
          if (decided !== 'stale') outcomes.set(one, await answerOf(one, decided, version));
        }),
      );
    }
    return reads.map(outcome => {
      if (!outcome.ok) return outcome;
      const busy = caHere() === undefined ? notHere() : refused('overloaded', { retryAfterMs: BUSY_RETRY_MS });
      return outcomes.get(outcome.value) ?? busy;
    });
  }

  async function answerOf(
    { keyHash }: Asked,
    decided: Refusal | Enrolled,
    version: Version,
  ): Promise<Outcome<EnrollAnswer>> {
    if ('code' in decided) return refused(decided.code, { detail: decided.detail });
    const { device, certificate } = decided;
    await deps.events.write('device.enrolled', { device: device.name, keyHash, ...version });
    return done({
      siteId: identity.siteId,
      deviceId: device.uid,
      name: device.name,
      certificate,
      caCertificates: [...identity.caCertificates],
      statement: deps.statement().signed,
      version,
    });
  }

  /** The replica, which is current, finds it by its key; the commit reads it again. */
  async function deviceWithKey(keyHash: string, transaction: CommitTransaction): Promise<StoredObject | undefined> {
    const known = deps.replica.findDeviceByKey(keyHash);
    if (known === undefined || known.deleted) return undefined;
    const current = await transaction.get('Device', known.name);
    return current !== undefined && (current.system as DeviceSystem).keyHash === keyHash ? current : undefined;
  }

  async function certify(
    authority: CertificateAuthority,
    csr: string,
    device: StoredObject,
    token: StoredObject,
    transaction: CommitTransaction,
  ): Promise<Enrolled> {
    const issued = await authority.issueDevice(csr, device.uid);
    const system: DeviceSystem = {
      ...certificateOf(issued),
      enrolledAt: clock.nowMs(),
      enrolledBy: token.name,
      caPins: [...deps.statement().statement.caPins],
    };
    return {
      device: await transaction.put('Device', device.name, { ...device.body }, system),
      certificate: issued.pem,
    };
  }

  return {
    enroll: inBatches(MAX_TOGETHER, enrollTogether),
    async renew(device, csr) {
      const authority = caHere();
      if (authority === undefined) return notHere();
      const keyHash = await keyOfCsr(csr);
      if (keyHash === undefined) return badCsr();
      if (keyHash !== (device.system as DeviceSystem).keyHash) {
        return refused('bad_request', { detail: 'renewal keeps the key: this request is for another one' });
      }
      const issued = await authority.issueDevice(csr, device.uid);
      const actor = { name: `device:${device.name}`, role: 'owner' } as const;
      const outcome = await commit(deps.write, actor, async (transaction): Promise<Work<boolean>> => {
        const current = await transaction.get('Device', device.name);
        if (current?.uid !== device.uid || (current.body as DeviceBody).revoked === true) {
          return { result: false, touched: [] };
        }
        await transaction.put(
          'Device',
          device.name,
          { ...current.body },
          { ...current.system, ...certificateOf(issued) },
        );
        return { result: true, touched: [{ kind: 'Device', name: device.name, change: 'updated' }] };
      });
      if (!outcome.ok) return outcome;
      if (!outcome.value.result) return refused('device_revoked', { subject: outcome.value.version });
      await deps.events.write('device.renewed', { device: device.name, expiresAt: issued.expiresAt });
      const caCertificates = [...identity.caCertificates];
      return done({ certificate: issued.pem, caCertificates, statement: deps.statement().signed });
    },
  };
}

function certificateOf({ keyHash, serial, expiresAt }: IssuedCertificate) {
  return { keyHash, certificateSerial: serial, certificateExpiresAt: expiresAt };
}

async function keyOfCsr(csr: string): Promise<string | undefined> {
  try {
    return keyHashOf(await publicKeyOfCsr(csr));
  } catch (error) {
    if (error instanceof CsrRefused) return undefined;
    throw error;
  }
}

function badCsr() {
  const message = 'must be a PKCS #10 request for a P-256 key, signed by it';
  return refused('bad_request', { problems: [{ field: 'csr', message }] });
}

const isTokenOf = (secret: string) => (token: StoredObject) =>
  tokenSecretFits(secret, (token.system as EnrollmentTokenSystem).secretHash);

const invalid = (detail: string): Refusal => ({ code: 'token_invalid', detail });
const UNKNOWN_TOKEN = invalid('no token of this site has this secret');

async function countUse(token: StoredObject, transaction: CommitTransaction): Promise<void> {
  const { used, ...rest } = token.system as EnrollmentTokenSystem;
  await transaction.put('EnrollmentToken', token.name, { ...token.body }, { ...rest, used: used + 1 });
}

function touchedBy(token: StoredObject, device: string, change: 'created' | 'updated'): Work<unknown>['touched'] {
  return [
    { kind: 'Device', name: device, change },
    { kind: 'EnrollmentToken', name: token.name, change: 'updated' },
  ];
}

type UsableToken = {
  readonly left: number;
  readonly group: string | undefined;
  /** The device that gets a new key; undefined: a new device is made. */
  readonly replaced: StoredObject | undefined;
};

async function usableToken(
  token: StoredObject,
  transaction: CommitTransaction,
  nowMs: number,
): Promise<Refusal | UsableToken> {
  const { purpose, expiresAt, uses, group, device } = token.body as EnrollmentTokenBody;
  if (purpose !== 'device') return invalid('this token is for a server');
  if (nowMs >= Date.parse(expiresAt)) return invalid('the token has expired');
  if (group !== undefined && (await transaction.get('DeviceGroup', group)) === undefined) {
    return invalid(`the device group ${group} of this token is gone`);
  }
  const { used, deviceUid } = token.system as EnrollmentTokenSystem;
  const replaced = deviceUid === undefined ? undefined : await deviceOf(deviceUid, device, transaction);
  if (deviceUid !== undefined && replaced === undefined) return invalid(`the device ${device} of this token is gone`);
  if ((replaced?.body as DeviceBody | undefined)?.revoked === true) return invalid(`the device ${device} is revoked`);
  return { left: Math.max(0, uses - used), group, replaced };
}

/** A device of the same name that was made since is another one. */
async function deviceOf(
  uid: string,
  name: string | undefined,
  transaction: CommitTransaction,
): Promise<StoredObject | undefined> {
  const device = name === undefined ? undefined : await transaction.get('Device', name);
  return device?.uid === uid && !device.deleted ? device : undefined;
}

/** The answer was lost: the same key comes again with the token that it came with. */
function isRepeat(known: StoredObject, token: StoredObject, asked: string | undefined): boolean {
  const sameName = asked === undefined || asked === known.name;
  const revoked = (known.body as DeviceBody).revoked === true;
  return sameName && !revoked && (known.system as DeviceSystem).enrolledBy === token.name;
}

/** Enrolment never takes over a device: to enrol it anew is an administrative act. */
function keyTaken(known: StoredObject): Refusal {
  return { code: 'name_taken', detail: `this key belongs to the device ${known.name}` };
}
