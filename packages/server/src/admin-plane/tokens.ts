import { randomUUID } from 'node:crypto';
import {
  type DeviceBody,
  type EnrollmentTokenBody,
  type EnrollmentTokenSystem,
  encodeToken,
  newNameProblem,
  type TokenAnswer,
  type TokenRequest,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { hashTokenSecret, newTokenSecret } from '../identity/token-secret.ts';
import type { CommitTransaction, StoredObject } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';

/** A token for devices is good for a working day (`design.md`, Commands: `--ttl 24h`) … */
const DEFAULT_DEVICE_TOKEN_TTL_MS = 24 * 60 * 60_000;
const DEFAULT_DEVICE_TOKEN_USES = 1;
/** … one for a server for an hour (`design.md`, Identity and trust). */
const SERVER_TOKEN_TTL_MS = 60 * 60_000;

/** Pins in one token: the site's CA, and the next one while it is changed. */
const MAX_PINS = 2;
/** Servers in one token, in the order of the list: a device that has enrolled learns the rest from the statement. */
const MAX_URLS = 16;

type TokenRefusal = 'no_group' | 'no_device' | 'device_revoked' | 'server_exists';

/** Makes an enrolment token. Its secret is in the answer alone; the site keeps the hash. */
export async function makeToken(deps: WriteDeps, actor: Actor, request: TokenRequest): Promise<Outcome<TokenAnswer>> {
  const badName = request.for === 'server' ? newNameProblem(request.name) : undefined;
  if (badName !== undefined)
    return refused('bad_request', { problems: [{ field: 'name', message: `cannot be used: ${badName}` }] });
  const secret = newTokenSecret();
  const body = bodyOf(request, deps.clock.nowMs());
  const name = `${request.for}-${randomUUID().slice(0, 8)}`;
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<TokenRefusal | undefined>> => {
    const device = request.for === 'reenroll' ? await transaction.get('Device', request.device) : undefined;
    const refusal = await refusalOf(request, device, transaction);
    if (refusal !== undefined) return { result: refusal, touched: [] };
    const deviceUid = device === undefined ? {} : { deviceUid: device.uid };
    const system: EnrollmentTokenSystem = { secretHash: hashTokenSecret(secret), used: 0, ...deviceUid };
    await transaction.put('EnrollmentToken', name, body, system);
    return { result: undefined, touched: [{ kind: 'EnrollmentToken', name, change: 'created' }] };
  });
  if (!outcome.ok) return outcome;
  if (outcome.value.result !== undefined) return explain(outcome.value.result, request);
  const { servers, caPins } = deps.statement();
  const urls = servers.map(({ url }) => url).slice(0, MAX_URLS);
  const pins = caPins.slice(0, MAX_PINS);
  const holder = request.for === 'server' ? 'server' : 'device';
  return done({ token: encodeToken({ for: holder, urls, pins, secret }), name, expiresAt: body.expiresAt });
}

function bodyOf(request: TokenRequest, nowMs: number): EnrollmentTokenBody {
  const until = (ttlMs: number) => new Date(nowMs + ttlMs).toISOString();
  if (request.for === 'server') {
    const { name: serverName, url: serverUrl } = request;
    return { purpose: 'server', uses: 1, expiresAt: until(SERVER_TOKEN_TTL_MS), serverName, serverUrl };
  }
  if (request.for === 'reenroll') {
    const { device, ttlMs = DEFAULT_DEVICE_TOKEN_TTL_MS } = request;
    return { purpose: 'device', uses: 1, expiresAt: until(ttlMs), device };
  }
  const { group, uses = DEFAULT_DEVICE_TOKEN_USES, ttlMs = DEFAULT_DEVICE_TOKEN_TTL_MS } = request;
  return { purpose: 'device', uses, expiresAt: until(ttlMs), ...(group === undefined ? {} : { group }) };
}

async function refusalOf(
  request: TokenRequest,
  device: StoredObject | undefined,
  transaction: CommitTransaction,
): Promise<TokenRefusal | undefined> {
  const exists = async (kind: 'DeviceGroup' | 'Server', name: string) => {
    const object = await transaction.get(kind, name);
    return object !== undefined && !object.deleted;
  };
  if (request.for === 'server') return (await exists('Server', request.name)) ? 'server_exists' : undefined;
  if (request.for === 'reenroll') {
    if (device === undefined || device.deleted) return 'no_device';
    return (device.body as DeviceBody).revoked === true ? 'device_revoked' : undefined;
  }
  if (request.group === undefined) return undefined;
  return (await exists('DeviceGroup', request.group)) ? undefined : 'no_group';
}

function explain(refusal: TokenRefusal, request: TokenRequest): Outcome<never> {
  if (refusal === 'server_exists') {
    return refused('name_taken', {
      detail: 'There is a server of this name: choose another, or delete that one first.',
    });
  }
  if (refusal === 'device_revoked') {
    return refused('conflict', {
      detail: 'This device is revoked: lift that first (revoked: false), or delete it and enrol a new one.',
    });
  }
  if (refusal === 'no_device') {
    const device = request.for === 'reenroll' ? request.device : undefined;
    return refused('invalid_object', {
      problems: [
        { field: 'device', message: `names the Device "${device}", which does not exist: enrol it with a new token` },
      ],
    });
  }
  const group = request.for === 'device' ? request.group : undefined;
  return refused('invalid_object', {
    problems: [{ field: 'group', message: `names the DeviceGroup "${group}", which does not exist: create it first` }],
  });
}
