import { MAX_LOGIN_NAME_LENGTH, type RecordedEvent, type Version } from '@thinman/protocol';
import { type Outcome, refused } from '../http/outcome.ts';
import { JournalUnavailable } from '../journal/errors.ts';
import type { JournalEntry, StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { LoginGuard } from './login-guard.ts';
import { uuidV5 } from './uuid.ts';

/** What is written down of a login before anybody is answered. */
export type LoginJournal = {
  /** No grant without its event, no denial without its count. undefined: all of it is on the disk; else what is answered instead. */
  write(entry: JournalEntry): Promise<Outcome<never> | undefined>;
  /** The event `login.answered`. `outcome`: `granted`, or the code of the denial. */
  answered(login: {
    readonly loginId: string;
    readonly device: StoredObject;
    readonly user: string;
    readonly outcome: string;
    /** null: the verdict rests on no version. */
    readonly subject: Version | null;
    readonly more: object;
  }): RecordedEvent;
};

export function createLoginJournal(
  deps: Pick<DeviceDeps, 'journal' | 'log' | 'clock' | 'identity'>,
  guard: Pick<LoginGuard, 'counting'>,
): LoginJournal {
  const { name } = deps.identity;
  return {
    async write(entry) {
      const counted = entry.failure === undefined ? undefined : guard.counting(entry.failure);
      try {
        await deps.journal.append(entry);
        return undefined;
      } catch (error) {
        if (!(error instanceof JournalUnavailable)) throw error;
        deps.log.error({ err: error }, 'a login cannot be written down and is not answered');
        return refused('not_serving');
      } finally {
        counted?.();
      }
    },
    answered({ loginId, device, user: typed, outcome, subject, more }) {
      const granted = outcome === 'granted';
      const data = {
        loginId,
        device: device.name,
        verdict: granted ? 'granted' : 'denied',
        reason: granted ? null : outcome,
        subject,
        ...more,
      };
      const at = deps.clock.nowMs();
      // In NFC a typed name may be longer than an event can say; one that long is nobody's.
      const user = typed.slice(0, MAX_LOGIN_NAME_LENGTH);
      const event = { id: uuidV5(loginId, name), type: 'login.answered', at, user, data };
      return { ...event, origin: `server:${name}`, takenBy: name, takenAt: at };
    },
  };
}
