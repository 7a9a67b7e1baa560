import type { EventPath } from '@thinman/protocol';
import { type JournalTrouble, JournalUnavailable } from '../journal/errors.ts';
import type { Clock, Journal, JournalEntry } from '../ports.ts';
import type { DirectPath } from './direct-path.ts';
import { keepInMemory } from './kept-in-memory.ts';

/** How soon a journal that takes nothing is tried again: a server that is unavailable has no login that would tell. */
const PROBE_INTERVAL_MS = 2_000;
/** Events that go around it hurt nobody: one that takes some and refuses others is not told as two turns each time … */
const LONGEST_PROBE_INTERVAL_MS = 60_000;
/** … if it worked for less than this in between. */
const STEADY_MS = 60_000;
/** Entries that go back into a journal that works again, in one turn: some milliseconds. */
const BROUGHT_BACK_AT_ONCE = 500;

export type GuardedJournal = {
  readonly journal: Journal;
  path(): EventPath;
  /** Events can be made durable now. A server that cannot write events down must grant nothing. */
  healthy(): boolean;
  stop(): void;
};

export type JournalTurn = {
  readonly path: EventPath;
  readonly before: EventPath;
  readonly trouble: JournalTrouble | undefined;
};

export type JournalGuard = {
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
  readonly direct: DirectPath;
  /** The source of record is there, as far as is known: over the link, on a Secondary. */
  readonly wayIsOpen: () => boolean;
  /** Writes an event of the server's own that says what was the matter: again and again until it is taken. */
  readonly probe: (journal: Pick<Journal, 'append'>, path: Exclude<EventPath, 'journal'>) => Promise<void>;
  readonly onTurn: (turn: JournalTurn) => void;
  /** This is durable now. */
  readonly onTaken?: (entry: JournalEntry) => void;
};

/**
 * A journal with a way around it (`failover.md`, row 18). What it does not take goes straight to the source of record, and the
 * rest of the entry is kept in memory; when neither works `append` rejects with JournalUnavailable.
 */
export function guardJournal(journal: Journal, guard: JournalGuard): GuardedJournal {
  const { clock, direct, wayIsOpen, probe, onTurn, onTaken = () => {} } = guard;
  const kept = keepInMemory();
  let path: EventPath = 'journal';
  let probeMs = PROBE_INTERVAL_MS;
  let workedSinceMs = Number.NEGATIVE_INFINITY;
  let probes = 0;
  let cancel = () => {};

  async function append(entry: JournalEntry): Promise<void> {
    try {
      await journal.append(entry);
      // While events go around it, the probe decides.
      if (path === 'nowhere') turn('journal', undefined);
    } catch (error) {
      // An entry that no disk would take says nothing of the disk.
      if (!(error instanceof JournalUnavailable) || error.trouble === 'refused') throw error;
      if (entry.events.length > 0) {
        const stored = wayIsOpen() && (await direct.store(entry.events));
        turn(stored ? 'direct' : 'nowhere', error.trouble);
        if (!stored) throw error;
      }
      kept.keep(entry);
    }
    onTaken(entry);
  }

  function turn(now: EventPath, trouble: JournalTrouble | undefined): void {
    if (path === now) return;
    const before = path;
    path = now;
    const nowMs = clock.monotonicMs();
    if (now === 'journal') {
      workedSinceMs = nowMs;
      void bringBack();
    } else if (before === 'journal') {
      probeMs =
        nowMs - workedSinceMs < STEADY_MS ? Math.min(2 * probeMs, LONGEST_PROBE_INTERVAL_MS) : PROBE_INTERVAL_MS;
    }
    cancel();
    if (now !== 'journal') probeLater();
    onTurn({ path, before, trouble });
  }

  /** While events go around it, the journal alone is asked: each probe would be one more event. */
  function probeLater(): void {
    const mine = ++probes;
    cancel = clock.after(path === 'direct' ? probeMs : PROBE_INTERVAL_MS, async () => {
      const asked = path;
      if (asked === 'journal') return;
      try {
        await probe(asked === 'direct' ? journal : { append }, asked);
        if (asked === 'direct') turn('journal', undefined);
      } catch {
        // Told when it began.
      }
      if (path !== 'journal' && mine === probes) probeLater();
    });
  }

  async function bringBack(): Promise<void> {
    for (let some = kept.oldest(BROUGHT_BACK_AT_ONCE); some.length > 0; some = kept.oldest(BROUGHT_BACK_AT_ONCE)) {
      const outcomes = await Promise.all(some.map(entry => journal.append(entry).then(() => undefined, troubleIn)));
      kept.forget(some.filter((_, at) => outcomes[at] === undefined || outcomes[at] === 'refused'));
      // The rest stays in memory, for the next time.
      if (outcomes.some(trouble => trouble !== undefined && trouble !== 'refused')) return;
    }
  }

  return {
    journal: {
      ...journal,
      append,
      remembered: loginId => journal.remembered(loginId) ?? kept.remembered(loginId),
      failures: query => [...journal.failures(query), ...kept.failures(query)],
      lastGrantMs(deviceId, user) {
        const [written, inMemory] = [journal.lastGrantMs(deviceId, user), kept.lastGrantMs(deviceId, user)];
        return written === undefined || inMemory === undefined ? (written ?? inMemory) : Math.max(written, inMemory);
      },
      knowsFailure: fact => kept.knowsFailure(fact) || journal.knowsFailure(fact),
      isEnded: loginId => kept.isEnded(loginId) || journal.isEnded(loginId),
    },
    path: () => path,
    healthy: () => path === 'journal' || (path === 'direct' && wayIsOpen()),
    stop: () => cancel(),
  };
}

const troubleIn = (error: unknown): JournalTrouble => (error instanceof JournalUnavailable ? error.trouble : 'refused');
