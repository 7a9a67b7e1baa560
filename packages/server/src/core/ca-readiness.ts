import type { CaObstacle, CaPhase, CaWaiting, CertificateFacts } from '@thinman/protocol';

/** Who was heard of within this time counts as here: longer than a holiday, shorter than a store room. */
export const SEEN_LATELY_MS = 30 * 24 * 3_600_000;

export type ServerFacts = {
  readonly name: string;
  /** This server itself, or one with a link to it. */
  readonly linked: boolean;
  /** It has the commit of the newest statement. */
  readonly upToDate: boolean;
  readonly certificate: CertificateFacts | undefined;
};

/** A live device that is not revoked. Times in Unix ms. */
export type DeviceFacts = {
  readonly name: string;
  /** The CAs that it was given at enrolment, the issuing one first. */
  readonly enrolledPins: readonly string[];
  /** What it said of itself last while a CA was changed (`trust.held`). */
  readonly held: { readonly caPins: readonly string[]; readonly issuer: string | null } | undefined;
  readonly certificateExpiresAt: number;
  readonly lastHeardAt: number | undefined;
};

export type Readiness = {
  readonly readyDevices: number;
  readonly waitingFor: readonly CaWaiting[];
  /** Not ready, not heard of lately, and not waited for. */
  readonly away: readonly CaWaiting[];
};

/**
 * Who is not ready for the next step of a CA change. `next` is the pin of the new CA. `switch` waits for servers, and for
 * devices seen lately: the others find their way later, as long as the old CA counts. `finish` waits for everybody whose
 * certificate is valid and of the old CA: who is forgotten here must enrol anew.
 */
export function caReadiness(
  { phase, next, nowMs }: { readonly phase: CaPhase; readonly next: string; readonly nowMs: number },
  servers: readonly ServerFacts[],
  devices: readonly DeviceFacts[],
): Readiness {
  if (phase === 'steady') return { readyDevices: devices.length, waitingFor: [], away: [] };
  const waitingFor: CaWaiting[] = [];
  const away: CaWaiting[] = [];
  for (const server of servers) {
    const why = phase === 'begun' ? lacksNext(server) : showsOld(server, next);
    if (why !== undefined) waitingFor.push({ kind: 'Server', name: server.name, why, lastHeardAt: null });
  }
  let readyDevices = 0;
  for (const device of devices) {
    const isReady = phase === 'begun' ? trusts(device, next) : isCertifiedBy(device, next);
    if (isReady) {
      readyDevices += 1;
      continue;
    }
    const why: CaObstacle = phase === 'begun' ? 'lacks_next_ca' : 'old_certificate';
    const waiting: CaWaiting = { kind: 'Device', name: device.name, why, lastHeardAt: device.lastHeardAt ?? null };
    const isWaitedFor = phase === 'begun' ? wasSeenLately(device, nowMs) : device.certificateExpiresAt > nowMs;
    (isWaitedFor ? waitingFor : away).push(waiting);
  }
  return { readyDevices, waitingFor, away };
}

function lacksNext({ linked, upToDate }: ServerFacts): CaObstacle | undefined {
  if (!linked) return 'not_linked';
  return upToDate ? undefined : 'behind';
}

function showsOld({ linked, certificate }: ServerFacts, next: string): CaObstacle | undefined {
  if (!linked) return 'not_linked';
  return certificate?.issuer === next ? undefined : 'old_certificate';
}

function trusts({ enrolledPins, held }: DeviceFacts, next: string): boolean {
  return enrolledPins.includes(next) || held?.caPins.includes(next) === true;
}

/** A certificate that the site has issued may have been lost on its way: a device's own word counts, and its enrolment. */
function isCertifiedBy({ enrolledPins, held }: DeviceFacts, next: string): boolean {
  return enrolledPins[0] === next || held?.issuer === next;
}

function wasSeenLately({ lastHeardAt }: DeviceFacts, nowMs: number): boolean {
  return lastHeardAt !== undefined && nowMs - lastHeardAt < SEEN_LATELY_MS;
}
