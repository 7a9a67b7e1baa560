import type { DeviceBody, ServerState } from '@thinman/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { certificateWords, devicePeer, type Peer } from '../http/peer.ts';
import { sendProblemDocument } from '../http/problems.ts';
import type { EventWriter, Replica, StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';

/** Whether a server in this state takes calls of devices. */
export function stateRefusal(state: ServerState) {
  switch (state) {
    case 'serving':
    case 'degraded':
      return undefined;
    case 'draining':
      return refused('draining');
    case 'unavailable':
      return refused('not_serving');
  }
}

/**
 * Which device is at the other end: the hash of its proved key, and a certificate of the site. Only a positive record
 * revokes; whoever is not known strands nobody (scope `server`).
 */
export function checkDevice(
  replica: Pick<Replica, 'site' | 'findDeviceByKey'>,
  peer: Peer | undefined,
  certificate: 'valid' | 'valid_or_expired' = 'valid',
): Outcome<StoredObject> {
  if (peer === undefined) return refused('device_unknown', { detail: 'no client certificate was sent' });
  const accepted = peer.authorized || (certificate === 'valid_or_expired' && peer.expired);
  if (!accepted) {
    const detail = peer.expired
      ? 'the certificate of this device has expired: it may be renewed, nothing else'
      : 'the client certificate is none of this site';
    return refused('device_unknown', { detail });
  }
  const site = replica.site();
  if (site === undefined) return refused('not_serving');
  const device = replica.findDeviceByKey(peer.keyHash);
  if (device === undefined) return refused('device_unknown');
  if (device.deleted || (device.body as DeviceBody).revoked === true) {
    return refused('device_revoked', { subject: { epoch: site.version.epoch, generation: device.generation } });
  }
  return done(device);
}

/** State, then device; of an authorized stranger an event is written, for the approval list. */
export type DeviceGate = {
  admit(socket: object): Outcome<StoredObject>;
  /** fastify's `onRequest`: before a body is read. */
  onRequest(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>;
  /** The device of a request that `onRequest` let pass. */
  deviceOf(request: FastifyRequest): StoredObject;
};

export function createDeviceGate(deps: DeviceDeps): DeviceGate {
  const noteStranger = createStrangers(deps.events, deps.clock, deps.log);
  const admitted = new WeakMap<FastifyRequest, StoredObject>();

  const admit = (socket: object): Outcome<StoredObject> => {
    const refusal = stateRefusal(deps.state());
    if (refusal !== undefined) return refusal;
    const peer = devicePeer(socket);
    const checked = checkDevice(deps.replica, peer);
    if (!checked.ok && peer?.authorized === true && checked.problem.code === 'device_unknown') {
      noteStranger(peer.keyHash, socket);
    }
    return checked;
  };

  return {
    admit,
    async onRequest(request, reply) {
      const outcome = admit(request.raw.socket);
      if (!outcome.ok) {
        return sendProblemDocument(reply, { ...outcome.problem, serverTime: deps.clock.nowMs() });
      }
      admitted.set(request, outcome.value);
      return undefined;
    },
    deviceOf(request) {
      const device = admitted.get(request);
      if (device === undefined) throw new Error('a device route without the gate before it');
      return device;
    },
  };
}

/** The same stranger is told again after this time. */
const STRANGER_AGAIN_MS = 60 * 60_000;
/** Strangers remembered; certificates of the site are not had by the thousand. */
const MAX_STRANGERS = 10_000;

function createStrangers(events: EventWriter, clock: DeviceDeps['clock'], log: DeviceDeps['log']) {
  const toldAtMs = new Map<string, number>();
  return (keyHash: string, socket: object): void => {
    const nowMs = clock.monotonicMs();
    const last = toldAtMs.get(keyHash);
    if (last !== undefined && nowMs - last < STRANGER_AGAIN_MS) return;
    if (toldAtMs.size >= MAX_STRANGERS) toldAtMs.clear();
    toldAtMs.set(keyHash, nowMs);
    const data = { keyHash, certificate: certificateWords(socket) };
    events.write('device.unknown', data).catch(error => log.error({ err: error }, 'an event was not written'));
  };
}
