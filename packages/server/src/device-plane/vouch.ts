import { isWithinWeekHours, type LoginGranted, type RecordedEvent, type VouchRequest } from '@thinman/protocol';
import { type Outcome, refused } from '../http/outcome.ts';
import { JournalUnavailable } from '../journal/errors.ts';
import type { StoredObject } from '../ports.ts';
import { accountRefusal } from './account.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import { grantToDirectoryUser } from './directory-grant.ts';
import type { DirectoryUsers } from './directory-login.ts';
import { isDirectoryUser, ownWords } from './directory-user.ts';
import type { SessionBook } from './session-book.ts';
import { createSessionGate, type ProvedSession } from './session-gate.ts';
import { uuidV5 } from './uuid.ts';

export type Vouch = (
  device: StoredObject,
  request: VouchRequest,
  proved?: ProvedSession,
) => Promise<Outcome<LoginGranted>>;

/**
 * An offline session of a directory's user goes on after the device is back: the directory still has the user, and this device has had
 * the password within the time for which grants are remembered. What a stolen device key alone asks for is nothing.
 */
export function createVouch(
  deps: DeviceDeps,
  bundles: Bundles,
  { accounts, persons }: DirectoryUsers,
  book: SessionBook,
): Vouch {
  const mayOpen = createSessionGate(deps, bundles, book);
  const { directories, journal, clock, replica, identity } = deps;

  return async (device, { loginId, user, userId, held }, proved) => {
    const serverTime = clock.nowMs();
    const onlyThePassword = () => refused('session_invalid', { serverTime });
    if (!isDirectoryUser(deps, user)) return refused('bad_request', { detail: 'this user proves sessions by key' });
    const { key, also } = persons.of(user);
    if ([key, ...also].every(each => journal.lastGrantMs(device.uid, each) === undefined)) return onlyThePassword();
    const status = await directories.status(user);
    switch (status.kind) {
      case 'ok': {
        const { account } = status;
        if (account.userId !== userId) return onlyThePassword();
        const refusal = accountRefusal(ownWords(replica, account.name), serverTime);
        if (refusal !== undefined) return refused(refusal, { serverTime });
        // As with a rule of the site's (ADR 0080), by when it began: at a login by the password the directory says so itself.
        const beganMs = Math.min(proved?.beganMs ?? serverTime, serverTime);
        if (account.hours !== undefined && !isWithinWeekHours(account.hours, beganMs)) {
          return refused('not_permitted', { serverTime });
        }
        const opening = mayOpen(device, accounts.remember(account), loginId, proved);
        if (opening.kind !== 'open') return refused(opening.kind, { serverTime });
        const written = await write(granted(device, loginId, account.name), opening.ends);
        return (
          written ??
          grantToDirectoryUser(deps, bundles, accounts, {
            ...{ device, account, loginId, held, warning: undefined, beganMs: opening.beganMs },
          })
        );
      }
      case 'refused':
        return refused(status.code, { serverTime });
      // Whoever is not found may be behind a mistake in a filter: nobody's cache is erased for that.
      case 'unknown':
      case 'not_told':
        return onlyThePassword();
      case 'overloaded':
        return refused('overloaded', { serverTime, retryAfterMs: status.retryAfterMs });
      case 'unavailable':
      case 'undecided':
        return refused('directory_unavailable', { serverTime });
    }
  };

  /** undefined: it is on the disk. */
  async function write(event: RecordedEvent, ends: readonly string[]): Promise<Outcome<never> | undefined> {
    try {
      await journal.append({
        events: [event],
        ...(ends.length > 0 && { ended: ends.map(loginId => ({ loginId, atMs: clock.nowMs() })) }),
      });
      return undefined;
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      deps.log.error({ err: error }, 'a session that was vouched for cannot be written down');
      return refused('not_serving');
    }
  }

  function granted(device: StoredObject, loginId: string, user: string): RecordedEvent {
    const { name } = identity;
    const at = clock.nowMs();
    const data = {
      loginId,
      device: device.name,
      verdict: 'granted',
      reason: null,
      subject: null,
      by: 'service account',
    };
    const event = { id: uuidV5(loginId, name), type: 'login.answered', at, user, data };
    return { ...event, origin: `server:${name}`, takenBy: name, takenAt: at };
  }
}
