import { X509Certificate } from 'node:crypto';
import {
  type CaPhase,
  type CaStatus,
  type CertificateFacts,
  compareVersions,
  type DeviceBody,
  DeviceSystem,
  parseValue,
  Sha256,
  type SiteStatement,
} from '@thinman/protocol';
import Type from 'typebox';
import { caReadiness, type DeviceFacts, type ServerFacts } from '../core/ca-readiness.ts';
import type { LinkedSecondary } from '../link/link-server.ts';
import type { Clock, Replica, ServerIdentity, SourceOfRecord } from '../ports.ts';
import type { CaKeys } from './ca-keys.ts';
import { caPhase, caRole } from './ca-phase.ts';
import { certificateFacts, pinOf, pinsOf } from './pins.ts';

const EVENTS_PER_PAGE = 1000;

/** The data of a device's `trust.held`. */
const Held = Type.Object({ caPins: Type.Array(Sha256), issuer: Type.Union([Sha256, Type.Null()]) });

export type CaStatusDeps = {
  readonly identity: ServerIdentity;
  readonly keys: Pick<CaKeys, 'isNext'>;
  readonly record: Pick<SourceOfRecord, 'events' | 'lastHeardFrom'>;
  readonly replica: Pick<Replica, 'list'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  statement(): SiteStatement;
  secondaries(): readonly LinkedSecondary[];
};

/** Where the change of the CA stands, and whom the next step waits for. Rejects with DatabaseUnavailable. */
export async function caStatus(deps: CaStatusDeps): Promise<CaStatus> {
  const { caCertificates } = deps.identity;
  const phase = caPhase(caCertificates, deps.keys);
  const next = nextPin(phase, pinsOf(caCertificates));
  const at = { phase, next, nowMs: deps.clock.nowMs() };
  const servers = serverFacts(deps);
  let devices = await deviceFacts(deps, phase);
  // Only of those who are not ready it matters when they were heard of.
  const first = caReadiness(at, servers, devices);
  const unready = [...first.waitingFor, ...first.away].filter(({ kind }) => kind === 'Device').map(({ name }) => name);
  const heard = unready.length === 0 ? new Map() : await deps.record.lastHeardFrom(unready.map(originOf));
  devices = devices.map(device => ({ ...device, lastHeardAt: heard.get(originOf(device.name)) }));
  const { readyDevices, waitingFor, away } = caReadiness(at, servers, devices);
  return {
    phase,
    cas: caCertificates.map((pem, place) => ({
      pin: pinOf(pem),
      role: caRole(phase, place),
      expiresAt: new X509Certificate(pem).validToDate.getTime(),
    })),
    servers: servers.map(({ name, certificate }) => ({ name, certificate: certificate ?? null })),
    devices: { total: devices.length, ready: readyDevices },
    waitingFor: [...waitingFor],
    away: [...away],
  };
}

/** The new CA's: the one that issues, but for the phase in which it is only made known. */
function nextPin(phase: CaPhase, [issuing = '', other = '']: readonly string[]): string {
  return phase === 'begun' ? other : issuing;
}

const originOf = (device: string) => `device:${device}`;

function serverFacts({ identity, statement, secondaries }: CaStatusDeps): ServerFacts[] {
  const { servers, epoch, version } = statement();
  const linked = new Map(secondaries().map(one => [one.name, one]));
  return servers.map(({ name }) => {
    if (name === identity.name) return { name, linked: true, upToDate: true, certificate: ownFacts(identity) };
    const { status, certificate } = linked.get(name) ?? {};
    const upToDate = status !== undefined && compareVersions(status, { epoch, generation: version }) >= 0;
    return { name, linked: linked.has(name), upToDate, certificate };
  });
}

export function ownFacts({ tls, caCertificates }: Pick<ServerIdentity, 'tls' | 'caCertificates'>) {
  return certificateFacts(tls.certificatePem, caCertificates) satisfies CertificateFacts | undefined;
}

async function deviceFacts(deps: CaStatusDeps, phase: CaPhase): Promise<DeviceFacts[]> {
  const live = deps.replica.list('Device').filter(({ body }) => (body as DeviceBody).revoked !== true);
  const held = phase === 'steady' || live.length === 0 ? new Map() : await lastWords(deps.record);
  return live.map(({ name, system }) => {
    const parsed = parseValue(DeviceSystem, system);
    const { caPins = [], certificateExpiresAt = Number.POSITIVE_INFINITY } = parsed.ok ? parsed.value : {};
    return {
      ...{ name, enrolledPins: caPins, held: held.get(originOf(name)) },
      ...{ certificateExpiresAt, lastHeardAt: undefined },
    };
  });
}

/** What each device said last of the CAs that it holds, by its origin. Devices say so only while a CA is changed. */
async function lastWords(
  record: CaStatusDeps['record'],
): Promise<ReadonlyMap<string, NonNullable<DeviceFacts['held']>>> {
  const words = new Map<string, NonNullable<DeviceFacts['held']>>();
  let before: string | undefined;
  for (;;) {
    const query = { type: 'trust.held', limit: EVENTS_PER_PAGE, ...(before !== undefined && { before }) };
    const page = await record.events(query);
    for (const { origin, data } of page) {
      const parsed = words.has(origin) ? undefined : parseValue(Held, data);
      if (parsed?.ok) words.set(origin, parsed.value);
    }
    if (page.length < EVENTS_PER_PAGE) return words;
    before = String(page.at(-1)?.sequence);
  }
}
