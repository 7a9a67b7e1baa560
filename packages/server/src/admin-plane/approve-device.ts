import {
  type ApproveRequest,
  type DeviceBody,
  type DeviceChangedAnswer,
  type DeviceSystem,
  newNameProblem,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CommitTransaction } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, refusalUnlessPrimary, type Work } from './commit.ts';
import { isCurrent } from './device-keys.ts';
import { unknownDevices } from './unknown-devices.ts';

/** Others commit at the same moment: the replica is brought up to them, and asked again, so many times. */
const MAX_TRIES = 5;

/**
 * Makes the Device for a key of the approval list: from then on its machine is a device of this name, with the certificate
 * that it has. Never for a key that is known or revoked.
 */
export async function approveDevice(
  deps: WriteDeps,
  actor: Actor,
  request: ApproveRequest,
): Promise<Outcome<DeviceChangedAnswer>> {
  const notHere = refusalUnlessPrimary(deps);
  if (notHere !== undefined) return notHere;
  const { keyHash, name, group } = request;
  const wrongName = newNameProblem(name);
  if (wrongName !== undefined)
    return refused('bad_request', { problems: [{ field: 'name', message: `cannot be used: ${wrongName}` }] });

  const listed = await unknownDevices(deps);
  if (!listed.ok) return listed;
  const seen = listed.value.items.find(device => device.keyHash === keyHash);
  if (seen === undefined) return keyRefusal(deps, keyHash) ?? notSeen();
  const body: DeviceBody = group === undefined ? {} : { group };
  const system: DeviceSystem = {
    keyHash,
    certificateSerial: seen.certificate.serial,
    certificateExpiresAt: seen.certificate.expiresAt,
    enrolledAt: deps.clock.nowMs(),
    // No token has such a name.
    enrolledBy: `approved:${actor.name}`,
  };
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const outcome = await commit(deps, actor, async (transaction): Promise<Work<Outcome<undefined> | 'stale'>> => {
      if (!isCurrent(deps.replica, transaction)) return { result: 'stale', touched: [] };
      const refusal = keyRefusal(deps, keyHash) ?? (await placeRefusal(transaction, request));
      if (refusal !== undefined) return { result: refusal, touched: [] };
      await transaction.put('Device', name, body, system);
      return { result: done(undefined), touched: [{ kind: 'Device', name, change: 'created' }] };
    });
    if (!outcome.ok) return outcome;
    const { version, result } = outcome.value;
    if (result !== 'stale') {
      if (!result.ok) return result;
      await deps.events
        .write('device.approved', { device: name, keyHash, actor: actor.name, ...version })
        .catch(() => {});
      return done({ ...version, name });
    }
    await deps.syncNow();
  }
  return refused('conflict', { detail: 'The site is being changed by others at this moment: try again.' });
}

function keyRefusal({ replica }: Pick<WriteDeps, 'replica'>, keyHash: string): Outcome<never> | undefined {
  const known = replica.findDeviceByKey(keyHash);
  if (known === undefined) return undefined;
  if (known.deleted || (known.body as DeviceBody).revoked === true) {
    const detail =
      'This key was revoked, and stays so: delete the data folder of that machine, and enrol it with a token.';
    return refused('conflict', { detail });
  }
  return refused('name_taken', { detail: `This key belongs to the device ${known.name} already.` });
}

function notSeen() {
  const detail =
    'No server has seen this key in the last days: thinman device list-unknown shows those that are waiting.';
  return refused('not_found', { detail });
}

async function placeRefusal(
  transaction: CommitTransaction,
  { name, group }: ApproveRequest,
): Promise<Outcome<never> | undefined> {
  if ((await transaction.get('Device', name)) !== undefined) {
    const detail = `There is a device ${name} already: choose another name, or replace that one (thinman device replace).`;
    return refused('name_taken', { detail });
  }
  if (group === undefined || (await transaction.get('DeviceGroup', group)) !== undefined) return undefined;
  const message = `names the DeviceGroup "${group}", which does not exist: create it first`;
  return refused('invalid_object', { problems: [{ field: 'group', message }] });
}
