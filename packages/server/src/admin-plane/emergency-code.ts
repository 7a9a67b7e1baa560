import {
  type DeviceBody,
  type EmergencyCodeAnswer,
  type EmergencyCodeRequest,
  inHalves,
  type UserBody,
} from '@thinman/protocol';
import { accountRefusal } from '../device-plane/account.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { emergencyCodeFor } from '../identity/emergency.ts';
import { JournalUnavailable } from '../journal/errors.ts';
import type { Actor, AdminDeps } from './admin-deps.ts';

/**
 * A code for one offline login by telephone, on any server, from its replica alone (ADR 0058). It is answered when the
 * event is on this server's disk: nobody gets one unseen.
 */
export async function emergencyCodeOf(
  deps: Pick<AdminDeps, 'replica' | 'dataKey' | 'events' | 'clock'>,
  actor: Actor,
  { device: deviceName, user, challenge, hours }: EmergencyCodeRequest,
): Promise<Outcome<EmergencyCodeAnswer>> {
  const device = deps.replica.get('Device', deviceName);
  if (device === undefined) return refused('not_found', { detail: `There is no Device "${deviceName}".` });
  if ((device.body as DeviceBody).revoked === true) return wrong('device', 'is revoked');
  const hindrance = hindranceOf(deps, user);
  if (hindrance !== undefined) return wrong('user', hindrance);
  try {
    await deps.events.write('emergency.issued', { device: deviceName, hours, actor: actor.name }, { user });
  } catch (error) {
    if (!(error instanceof JournalUnavailable)) throw error;
    return refused('not_serving', { detail: 'Nothing can be written down here now: ask another server.' });
  }
  return done({ code: inHalves(emergencyCodeFor(deps.dataKey, device, { user, challenge, hours })), hours });
}

/** Of a local user. A directory's user has no object here: the device knows who has logged in on it. */
function hindranceOf({ replica, clock }: Pick<AdminDeps, 'replica' | 'clock'>, typed: string): string | undefined {
  const user = replica.find('User', typed.normalize('NFC'));
  if (user === undefined) return undefined;
  if (user.deleted) return 'was deleted';
  const refusal = accountRefusal(user.body as UserBody, clock.nowMs());
  return refusal === undefined ? undefined : `may not log in (${refusal})`;
}

function wrong(field: string, message: string): Outcome<never> {
  return refused('bad_request', {
    detail: `No code is given: this ${field} ${message}.`,
    problems: [{ field, message }],
  });
}
