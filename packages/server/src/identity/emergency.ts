import { createHmac } from 'node:crypto';
import { type DeviceSystem, type EmergencyParts, emergencyBytes, emergencyCode } from '@thinman/protocol';
import type { SiteDataKey, StoredObject } from '../ports.ts';

type Keys = Pick<SiteDataKey, 'mac'>;

/** Alike on all servers, and another one when the device gets another key: an old disk's codes are nobody's (ADR 0058). */
function emergencyKey(dataKey: Keys, { uid, system }: Pick<StoredObject, 'uid' | 'system'>): Buffer {
  return dataKey.mac('emergency-key', uid, (system as DeviceSystem).keyHash);
}

/** As the device's bundle has it. */
export function emergencyKeyText(dataKey: Keys, device: Pick<StoredObject, 'uid' | 'system'>): string {
  return emergencyKey(dataKey, device).toString('base64url');
}

/** The code that this device takes for this challenge. */
export function emergencyCodeFor(
  dataKey: Keys,
  device: Pick<StoredObject, 'uid' | 'system'>,
  asked: Omit<EmergencyParts, 'deviceId'>,
): string {
  const bytes = emergencyBytes({ ...asked, deviceId: device.uid });
  return emergencyCode(createHmac('sha256', emergencyKey(dataKey, device)).update(bytes).digest());
}
