import type { Missing, RecordedEvent, ThinmanEvent, Version } from '@thinman/protocol';

/** How a login was decided, as it is remembered for repeats of the same loginId. */
export type RememberedLogin = {
  readonly loginId: string;
  /** Hash over device key, user and what was sent: a repeat must have the same. */
  readonly binding: string;
  /** `granted`, or the code of the denial. */
  readonly outcome: string;
  readonly subject: Version;
  readonly retryAfterMs?: number;
};

/** A failed login as a fact: counters are sizes of sets of these, so servers can share them and nothing counts twice. */
export type FailureFact = {
  readonly loginId: string;
  readonly deviceId: string;
  readonly user: string;
  /** Keyed hash of what was sent: the same wrong password twice is one guess. */
  readonly sentHash: string;
  readonly atMs: number;
};

/** A granted login as a fact: this pair's failures before it count no more, and the limit per user exempts this device for 7 days. */
export type GrantFact = { readonly deviceId: string; readonly user: string; readonly atMs: number };

/** A session that somebody ended, as a fact: none of its tokens is refreshed any more, at no server that has heard of it. */
export type EndedSession = { readonly loginId: string; readonly atMs: number };

/** What counts for the lockout, and which sessions are over, as servers share it. */
export type LockoutEvidence = {
  readonly failures: readonly FailureFact[];
  readonly grants: readonly GrantFact[];
  readonly ended?: readonly EndedSession[];
};

export type JournalEntry = {
  readonly events: readonly RecordedEvent[];
  readonly remember?: RememberedLogin;
  readonly failure?: FailureFact;
  readonly granted?: GrantFact;
  readonly ended?: readonly EndedSession[];
  /** What another server saw; `from` is its name. Each fact is kept once, whoever tells it. */
  readonly heard?: LockoutEvidence & { readonly from: string };
};

/** The newest version that the Primary was heard to have committed, and the objects that were missing here then. */
export type Heard = { readonly version: Version; readonly missing: Missing };

/** A server's durable queue of events, and its memory of logins (SQLite, synchronous=FULL, group commit). */
export type Journal = {
  /** Resolves when all of it is on disk, in one transaction. Rejects with JournalUnavailable: then nothing of it is. */
  append(entry: JournalEntry): Promise<void>;
  remembered(loginId: string): RememberedLogin | undefined;
  failures(query: {
    readonly sinceMs: number;
    readonly deviceId?: string;
    readonly user?: string;
  }): readonly FailureFact[];
  lastGrantMs(deviceId: string, user: string): number | undefined;
  /** Whether this very fact is known, whoever told it. */
  knowsFailure(fact: FailureFact): boolean;
  /** A page of the facts that another server lacks: all but those that it told itself. Ordered by their keys. */
  failuresFor(query: {
    readonly server: string;
    readonly sinceMs: number;
    readonly after?: FailureFact;
    readonly limit: number;
  }): readonly FailureFact[];
  grantsFor(query: {
    readonly server: string;
    readonly sinceMs: number;
    readonly after?: GrantFact;
    readonly limit: number;
  }): readonly GrantFact[];
  isEnded(loginId: string): boolean;
  endedFor(query: {
    readonly server: string;
    readonly sinceMs: number;
    readonly after?: EndedSession;
    readonly limit: number;
  }): readonly EndedSession[];
  /** Not yet in the source of record. */
  pending(): number;
  /** Oldest pending entries: as many as are `maxChars` long together, as JSON; one at least. */
  next(limit: number, maxChars?: number): readonly RecordedEvent[];
  /** Where entries go at this moment: another number after each `sendTo` of a newer epoch, and each doubt. Not on disk. */
  line(): number;
  /**
   * They are in the source of record that entries went to at `line`; kept 7 days more, or until the room is needed. Where entries
   * go elsewhere by now, they still wait.
   */
  markDrained(events: readonly Pick<RecordedEvent, 'origin' | 'id'>[], line: number): void;
  onAppended(listener: () => void): () => void;
  load(): JournalLoad;
  footprint(): JournalFootprint;
  /** On disk, so that what is missing is known after a restart, with the Primary gone. */
  heard(): Heard | undefined;
  /** An older version than the one held changes nothing. */
  hear(heard: Heard): void;
  /** Entries go to a source of record of this epoch from now on: if it is a newer one, all that are kept go again. */
  sendTo(epoch: number): void;
  /** The source of record is in doubt: all that are kept go again once that is over (`sendTo`). */
  sendAgain(): void;
  close(): void;
};

/** How full a journal is, in bytes. */
export type JournalLoad = {
  /** Entries that wait. */
  readonly pendingBytes: number;
  /** More than this is not taken. */
  readonly limitBytes: number;
};

export type JournalFootprint = {
  /** Of its files on the disk. */
  readonly fileBytes: number;
  /** When the oldest entry that waits was taken, Unix milliseconds by this server's clock; undefined: none waits. */
  readonly oldestPendingAtMs: number | undefined;
};

/** Makes events of this server and hands them to the journal. */
export type EventWriter = {
  write(type: string, data: Record<string, unknown>, more?: Partial<Pick<ThinmanEvent, 'id' | 'user'>>): Promise<void>;
};
