import { JournalUnavailable } from '../journal/errors.ts';
import type { Clock, Journal } from '../ports.ts';

/** A server that cannot write events down serves nobody, so nobody's login would tell that the disk has room again. */
const PROBE_INTERVAL_MS = 2_000;

export type GuardedJournal = {
  readonly journal: Journal;
  /** The last append came on disk. A server that cannot write events down must grant nothing. */
  healthy(): boolean;
  stop(): void;
};

export type JournalGuard = {
  readonly clock: Pick<Clock, 'after'>;
  /** Writes an event of the server's own, which says that it could write none: while the journal fails, again and again. */
  readonly probe: (journal: Journal) => Promise<void>;
  /** It begins to fail, or works again. */
  readonly onTurn: (healthy: boolean) => void;
};

/** Watches the journal's appends. */
export function guardJournal(journal: Journal, { clock, probe, onTurn }: JournalGuard): GuardedJournal {
  let healthy = true;
  let cancel = () => {};

  const guarded: Journal = {
    ...journal,
    async append(entry) {
      try {
        await journal.append(entry);
      } catch (error) {
        // An entry that no disk would take says nothing of the disk.
        if (!(error instanceof JournalUnavailable && error.trouble === 'refused')) turn(false);
        throw error;
      }
      turn(true);
    },
  };

  function turn(now: boolean): void {
    if (healthy === now) return;
    healthy = now;
    cancel();
    if (!now) probeLater();
    onTurn(now);
  }

  function probeLater(): void {
    cancel = clock.after(PROBE_INTERVAL_MS, () => {
      probe(guarded).catch(probeLater);
    });
  }

  return { journal: guarded, healthy: () => healthy, stop: () => cancel() };
}
