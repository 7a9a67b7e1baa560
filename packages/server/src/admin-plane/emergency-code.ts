import {
  type DeviceBody,
  type EmergencyCodeAnswer,
  type EmergencyCodeRequest,
  inHalves,
  type UserBody,
  type UserSystem,
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
  deps: Pick<AdminDeps, 'replica' | 'dataKey' | 'events' | 'clock' | 'directories'>,
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
  const code = inHalves(emergencyCodeFor(deps.dataKey, device, { user, challenge, hours }));
  return done({ code, hours, ...(isUnknown(deps, user) && { userUnknown: true }) });
}

/** Not refused: a server that is behind may not have heard of somebody whom the device knows. */
const isUnknown = ({ replica, directories }: Pick<AdminDeps, 'replica' | 'directories'>, typed: string): boolean =>
  replica.find('User', typed.normalize('NFC')) === undefined && (directories?.claims(typed) ?? 'none') === 'none';

/** What is said here of a user. Of a directory's that is what an administrator wrote, if anything: the device knows who has logged in on it. */
export function hindranceOf(
  { replica, clock, directories }: Pick<AdminDeps, 'replica' | 'clock' | 'directories'>,
  typed: string,
): string | undefined {
  const name = typed.normalize('NFC');
  const local = replica.find('User', name);
  const hasPassword = (local?.system as UserSystem | undefined)?.credential !== undefined;
  const isOfDirectory = !hasPassword && directories !== undefined && directories.claims(typed) !== 'none';
  const [key, ...others] = isOfDirectory ? directories.keysOf(typed) : [name];
  // A plain name that several may have says nothing of any of them.
  const user = others.length === 0 ? (replica.find('User', key) ?? local) : local;
  if (user === undefined) return undefined;
  // What was said of a directory's user was taken back; the user is the directory's still.
  if (user.deleted) return isOfDirectory ? undefined : 'was deleted';
  const refusal = accountRefusal(user.body as UserBody, clock.nowMs());
  return refusal === undefined ? undefined : `may not log in (${refusal})`;
}

function wrong(field: string, message: string): Outcome<never> {
  return refused('bad_request', {
    detail: `No code is given: this ${field} ${message}.`,
    problems: [{ field, message: `${message}: no code is given` }],
  });
}
