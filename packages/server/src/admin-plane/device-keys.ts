import type { DeviceSystem } from '@thinman/protocol';
import type { CommitTransaction, Replica, StoredObject } from '../ports.ts';

/**
 * Leaves a tombstone of the device's key alone (ADR 0018): the key is answered `device_revoked` from this commit on, whoever has
 * the device's name by then. No name that can be given has a `#`.
 */
export async function revokeKey(transaction: CommitTransaction, device: StoredObject): Promise<void> {
  const { keyHash } = device.system as Partial<DeviceSystem>;
  if (keyHash === undefined) return;
  const name = `${device.name}#${keyHash}`;
  await transaction.put('Device', name, {}, { ...device.system });
  await transaction.remove('Device', name);
}

/**
 * Whether the replica has all that was committed before this transaction. Only then may it be asked who has a key: by key,
 * objects are found there alone.
 */
export function isCurrent(
  replica: Pick<Replica, 'position'>,
  { version }: Pick<CommitTransaction, 'version'>,
): boolean {
  const held = replica.position()?.version;
  return held?.epoch === version.epoch && held.generation === version.generation - 1;
}
