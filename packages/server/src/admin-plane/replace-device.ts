import type { DeviceBody, DeviceChangedAnswer, DeviceSystem, ReplaceRequest } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CommitTransaction, StoredObject } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';
import { revokeKey } from './device-keys.ts';
import { planDelete } from './plan-delete.ts';

type Replaced = { readonly keyHash: string; readonly revokedKeyHash: string };

/**
 * The machine that is enrolled as `with` becomes `device` (ADR 0018): its key goes to that object, whose name, uid, body and
 * assignments stay; the object `with` goes; the key before is revoked. One commit.
 */
export async function replaceDevice(
  deps: WriteDeps,
  actor: Actor,
  request: ReplaceRequest,
): Promise<Outcome<DeviceChangedAnswer>> {
  const { device, with: successor } = request;
  if (device === successor)
    return refused('bad_request', { problems: [{ field: 'with', message: 'is the same device' }] });
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<Outcome<Replaced>>> => {
    const result = await replace(deps, transaction, request);
    if (!result.ok) return { result, touched: [] };
    return {
      result,
      touched: [
        { kind: 'Device', name: device, change: 'updated' },
        { kind: 'Device', name: successor, change: 'deleted' },
      ],
    };
  });
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  if (!result.ok) return result;
  const data = { device, with: successor, ...result.value, actor: actor.name, ...version };
  await deps.events.write('device.replaced', data).catch(() => {});
  return done({ ...version, name: device });
}

async function replace(
  deps: WriteDeps,
  transaction: CommitTransaction,
  { device: oldName, with: newName }: ReplaceRequest,
): Promise<Outcome<Replaced>> {
  const [old, successor] = [await transaction.get('Device', oldName), await transaction.get('Device', newName)];
  if (old === undefined) return noDevice(oldName);
  if (successor === undefined) return noDevice(newName);
  if ((successor.body as DeviceBody).revoked === true) {
    return refused('conflict', { detail: `The device ${newName} is revoked: it takes nobody's place.` });
  }
  const deletion = { kind: 'Device', name: newName } as const;
  const plan = await planDelete(deletion, transaction, deps.replica.site()?.primaryInstance, deps.clock.nowMs());
  if (plan.kind === 'refused')
    return refused(plan.code, { detail: 'Nothing was changed.', problems: [...plan.problems] });

  await revokeKey(transaction, old);
  // Its tombstone must not hold the key that lives on: that would revoke the machine.
  await transaction.put('Device', newName, {}, {});
  await transaction.remove('Device', newName);
  await transaction.put('Device', oldName, withoutRevocation(old), { ...successor.system });
  return done({ keyHash: keyOf(successor), revokedKeyHash: keyOf(old) });
}

/** A stolen machine is revoked first: the one that takes its place is not. */
function withoutRevocation({ body }: StoredObject): Record<string, unknown> {
  const { revoked: _ofTheOldMachine, ...rest } = body as DeviceBody;
  return rest;
}

const keyOf = ({ system }: StoredObject) => (system as DeviceSystem).keyHash;

function noDevice(name: string) {
  return refused('not_found', { detail: `There is no Device "${name}".` });
}
