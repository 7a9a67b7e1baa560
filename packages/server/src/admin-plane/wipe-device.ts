import type { DeviceBody, DeviceChangedAnswer, DeviceSystem } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';

type Wiped = Outcome<{ readonly number: number }>;

/**
 * The device is to forget all users (ADR 0070): a number in its object, beside the body, so that no file that is applied takes it back.
 * It is in the device's bundle from this commit on, from every server that has it.
 */
export async function wipeDevice(deps: WriteDeps, actor: Actor, name: string): Promise<Outcome<DeviceChangedAnswer>> {
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<Wiped>> => {
    const device = await transaction.get('Device', name);
    if (device === undefined) {
      return { result: refused('not_found', { detail: `There is no Device "${name}".` }), touched: [] };
    }
    if ((device.body as DeviceBody).revoked === true) {
      const detail = `The device ${name} is revoked: it forgets all users as soon as it hears of that.`;
      return { result: refused('conflict', { detail }), touched: [] };
    }
    const system = device.system as DeviceSystem;
    // Rises whatever the clock of a promoted Primary says: a device does no number twice, and none below one that it did.
    const number = Math.max(deps.clock.nowMs(), (system.wipe?.number ?? 0) + 1);
    await transaction.put('Device', name, { ...device.body }, { ...system, wipe: { number, by: actor.name } });
    return { result: done({ number }), touched: [{ kind: 'Device', name, change: 'updated' }] };
  });
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  if (!result.ok) return result;
  const data = { device: name, ...result.value, actor: actor.name, ...version };
  await deps.events.write('device.wipe', data).catch(() => {});
  return done({ epoch: version.epoch, generation: version.generation, name });
}
