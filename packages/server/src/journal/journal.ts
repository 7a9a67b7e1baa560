import { statSync } from 'node:fs';
import { JOURNAL_LIMIT_BYTES } from '@thinman/protocol';
import type { Clock, Journal, JournalEntry } from '../ports.ts';
import { openOrRebuild, type SetAside } from '../record/dialects/set-aside.ts';
import { prepareEntries, type Totals, textBytes } from './entries.ts';
import { JournalAtLimit, JournalOfNewerVersion, JournalUnavailable, journalTroubleOf } from './errors.ts';
import { prepareFacts, SEEN_HERE } from './facts.ts';
import { createGroupCommit } from './group-commit.ts';
import { prepareHeard } from './heard.ts';
import { prepareLogins } from './logins.ts';
import { prepareOutflow } from './outflow.ts';
import { type Owner, unfitFor } from './owner.ts';
import { preparePruning } from './prune.ts';
import { createTables, JOURNAL_APPLICATION_ID, migrate, NEWEST_READABLE_FORMAT } from './tables.ts';
import { type MakeRoom, withRoom } from './with-room.ts';

/** A limit that was lowered by much is reached in many small steps: each write makes this much more room at most. */
const ROUNDS_FOR_ROOM = 20;

export type OpenJournal = Journal & {
  /** A file that could not be used when it was opened, and was renamed; undefined: nothing. */
  readonly setAside: SetAside | undefined;
};

export type JournalOptions = {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Whose journal it is: that of another server is set aside. undefined: whoever's. */
  readonly owner?: Owner;
  /** Entries that wait, in bytes; asked at each write. */
  readonly limitBytes?: () => number;
  readonly makeRoom?: MakeRoom;
  /** The disk has hardly any room left: what is drained goes early. */
  readonly isTight?: () => boolean;
};

/**
 * Opens the server's durable queue and its memory of logins; `append` rejects with JournalUnavailable. Throws when there is
 * no room or no permission for a file at `path` (see `troubleOf`), and JournalOfNewerVersion.
 */
export function openJournal(path: string, options: JournalOptions): OpenJournal {
  const { clock, owner, limitBytes = () => JOURNAL_LIMIT_BYTES } = options;
  const { makeRoom = () => false, isTight = () => false } = options;
  const open: Parameters<typeof openOrRebuild>[1] = {
    applicationId: JOURNAL_APPLICATION_ID,
    create(made) {
      createTables(made);
      unfitFor(made, owner);
    },
    // No full check: a journal may be large, and each page that can be read holds events that are nowhere else.
    check(found) {
      if (Number(found.pragma('user_version', { simple: true })) > NEWEST_READABLE_FORMAT)
        throw new JournalOfNewerVersion(path);
      migrate(found);
      return unfitFor(found, owner);
    },
    nowMs: clock.nowMs(),
  };
  const { handle, setAside } = withRoom(makeRoom, () => openOrRebuild(path, open));
  // Each row has triggers, and SQLite writes down what a statement changes, in case that it fails midway: not into a file.
  handle.pragma('temp_store = MEMORY');
  const listeners = new Set<() => void>();
  const entries = prepareEntries(handle);
  const logins = prepareLogins(handle);
  const facts = prepareFacts(handle);
  const heard = prepareHeard(handle);
  const outflow = prepareOutflow(handle);
  const prune = preparePruning(handle);
  let totals = entries.totals();
  let line = 0;

  const inTransaction = handle.transaction((work: () => void) => work());

  function write(work: () => void): void {
    withRoom(makeRoom, () => inTransaction(work));
    totals = entries.totals();
  }

  /**
   * Without a flush of its own (SQLite flushes it with the next write that has one): a power cut may undo it. For what is then
   * only done again.
   */
  function writeLightly(work: () => void): void {
    handle.pragma('synchronous = NORMAL');
    try {
      write(work);
    } finally {
      handle.pragma('synchronous = FULL');
    }
  }

  /** What went out goes early when its room is needed; what waits never does. */
  function keepWithinLimit(neededBytes: number): void {
    if (isTight()) entries.forgetDrained();
    const limit = limitBytes();
    const fits = ({ pendingBytes, drainedBytes }: Totals) => pendingBytes + drainedBytes + neededBytes <= limit;
    for (let round = 0; round < ROUNDS_FOR_ROOM && !fits(entries.totals()); round++) {
      if (!entries.forgetDrained()) break;
    }
    const { pendingBytes } = entries.totals();
    if (neededBytes === 0 || pendingBytes + neededBytes <= limit) return;
    throw new JournalAtLimit(`${pendingBytes} bytes wait, and ${limit} may`);
  }

  function put({ remember, failure, granted, ended, heard }: JournalEntry, nowMs: number): void {
    if (remember !== undefined) logins.remember(remember, nowMs);
    if (failure !== undefined) facts.addFailure(failure, SEEN_HERE);
    if (granted !== undefined) facts.addGrant(granted, SEEN_HERE);
    for (const session of ended ?? []) facts.addEnded(session, SEEN_HERE);
    for (const fact of heard?.failures ?? []) facts.addFailure(fact, heard?.from ?? SEEN_HERE);
    for (const fact of heard?.grants ?? []) facts.addGrant(fact, heard?.from ?? SEEN_HERE);
    for (const session of heard?.ended ?? []) facts.addEnded(session, heard?.from ?? SEEN_HERE);
  }

  const group = createGroupCommit<JournalEntry>({
    write: some =>
      write(() => {
        const nowMs = clock.nowMs();
        prune(nowMs);
        const queued = some.flatMap(({ events }) => events).map(event => ({ event, text: JSON.stringify(event) }));
        keepWithinLimit(queued.reduce((sum, { text }) => sum + textBytes(text), 0));
        for (const { event, text } of queued) entries.add(event, text);
        for (const entry of some) put(entry, nowMs);
      }),
    concernsAll: error => journalTroubleOf(error) !== undefined,
    onWritten() {
      for (const listener of listeners) listener();
    },
  });

  return {
    setAside,
    append: entry =>
      group.add(entry).catch(error => {
        throw new JournalUnavailable(error);
      }),
    remembered: logins.remembered,
    failures: facts.failures,
    lastGrantMs: facts.lastGrantMs,
    knowsFailure: facts.knowsFailure,
    failuresFor: facts.failuresFor,
    grantsFor: facts.grantsFor,
    isEnded: facts.isEnded,
    endedFor: facts.endedFor,
    pending: () => totals.pending,
    next(limit, maxChars = Number.POSITIVE_INFINITY) {
      let some = entries.next(limit, maxChars);
      while (some.length === 0 && outflow.isReopening()) {
        write(outflow.reopenSome);
        some = entries.next(limit, maxChars);
      }
      return some;
    },
    line: () => line,
    markDrained(events, sentAt) {
      // What is not marked goes again, and is stored once.
      if (sentAt === line) writeLightly(() => entries.markDrained(events, clock.nowMs()));
    },
    onAppended(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    load: () => ({ pendingBytes: totals.pendingBytes, limitBytes: limitBytes() }),
    footprint: () => ({ fileBytes: fileBytes(path), oldestPendingAtMs: entries.oldestTakenAtMs() }),
    heard: heard.heard,
    hear: news => write(() => heard.hear(news)),
    sendTo(epoch) {
      const before = outflow.epoch();
      if (before !== undefined && before >= epoch) return;
      // What is under way went to where nothing goes any more, whatever becomes of this write.
      line++;
      write(() => {
        outflow.sendTo(epoch);
        if (outflow.isReopening()) outflow.reopenSome();
      });
    },
    sendAgain() {
      if (outflow.isInDoubt()) return;
      line++;
      write(outflow.doubt);
    },
    close() {
      group.flush();
      handle.close();
    },
  };
}

/** The database and what is not yet folded into it. */
function fileBytes(path: string): number {
  return [path, `${path}-wal`]
    .map(file => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}
