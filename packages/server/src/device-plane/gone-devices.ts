import type { DeviceBody, DeviceSystem } from '@thinman/protocol';
import type { AppliedChange, Replica } from '../ports.ts';
import type { SessionBook } from './session-book.ts';

/**
 * Nobody works on a device that was deleted or revoked, nor goes on under a key that another one has taken the place of: whoever was there
 * is taken out of the book, also where the device is not connected. Returns how to end that.
 */
export function forgetGoneDevices(
  replica: Pick<Replica, 'findByUid' | 'onApplied'>,
  book: Pick<SessionBook, 'all' | 'closed' | 'onChange'>,
): () => void {
  /** By uid of the device: the key that it had when its session was heard of; `UNKNOWN`: it had not reached this server yet. */
  const keys = new Map<string, string>();

  function keyOf(deviceId: string): string | undefined {
    const device = replica.findByUid('Device', deviceId);
    if (device === undefined || device.deleted || (device.body as DeviceBody).revoked === true) return undefined;
    return (device.system as DeviceSystem).keyHash;
  }

  function look(deviceId: string): void {
    const [key, now] = [keys.get(deviceId), keyOf(deviceId)];
    if (key === UNKNOWN && now !== undefined) keys.set(deviceId, now);
    else if (key !== undefined && now !== key) book.closed(deviceId);
  }

  book.onChange(({ opened, closed }) => {
    for (const deviceId of closed) keys.delete(deviceId);
    for (const { deviceId } of opened) keys.set(deviceId, keyOf(deviceId) ?? UNKNOWN);
  });
  return replica.onApplied(({ full, objects }: AppliedChange) => {
    // After a full sync anything may be otherwise.
    if (full) for (const { deviceId } of book.all()) look(deviceId);
    for (const { kind, uid } of objects) if (kind === 'Device') look(uid);
  });
}

/** No hash of a key. */
const UNKNOWN = '';
