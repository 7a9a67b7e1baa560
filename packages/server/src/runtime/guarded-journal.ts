import { JournalUnavailable } from '../journal/errors.ts';
import type { Journal } from '../ports.ts';

export type GuardedJournal = {
  readonly journal: Journal;
  /** The last append came on disk. A server that cannot write events down must grant nothing. */
  healthy(): boolean;
};

/** Watches the journal's appends. `onTurn` is called when it begins to fail, and when it works again. */
export function guardJournal(journal: Journal, onTurn: (healthy: boolean) => void): GuardedJournal {
  let healthy = true;
  const turn = (now: boolean) => {
    if (healthy === now) return;
    healthy = now;
    onTurn(now);
  };
  return {
    healthy: () => healthy,
    journal: {
      ...journal,
      async append(entry) {
        try {
          await journal.append(entry);
          turn(true);
        } catch (error) {
          // An entry that no disk would take says nothing of the disk.
          if (!(error instanceof JournalUnavailable && error.trouble === 'refused')) turn(false);
          throw error;
        }
      },
    },
  };
}
