import type { DeviceSystem } from '@thinman/protocol';
import type { StoredObject } from '../../ports.ts';
import type { DeviceDeps } from '../device-deps.ts';

/** The same device is told of again after this time: its two agents meet every few minutes. */
const CLONE_AGAIN_MS = 60 * 60_000;

/** Tells that two agents use the identity of one device at the same time: a copied disk, or a stolen key. */
export function createClones({ events, clock, log }: Pick<DeviceDeps, 'events' | 'clock' | 'log'>) {
  const toldAtMs = new Map<string, number>();
  return ({ uid, name, system }: StoredObject): void => {
    const nowMs = clock.monotonicMs();
    const last = toldAtMs.get(uid);
    if (last !== undefined && nowMs - last < CLONE_AGAIN_MS) return;
    toldAtMs.set(uid, nowMs);
    const { keyHash } = system as DeviceSystem;
    events
      .write('device.cloned', { device: name, keyHash })
      .catch(error => log.error({ err: error }, 'an event was not written'));
  };
}
