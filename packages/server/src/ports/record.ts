import type {
  EpochSpan,
  ObjectKind,
  RecordedEvent,
  SectionResult,
  ServerStatus,
  SignedStatement,
  Version,
} from '@thinman/protocol';
import type { Feed, NewSite, ReplicaPosition, SiteCas, SiteRow, StoredObject } from './objects.ts';

/** One administrative transaction: the site row is locked from its first statement to the commit. */
export type CommitTransaction = {
  /** The generation that this commit makes. */
  readonly version: Version;
  readonly commitId: string;
  get(kind: ObjectKind, name: string): Promise<StoredObject | undefined>;
  list(kind: ObjectKind): Promise<readonly StoredObject[]>;
  /** Creates or replaces (a tombstone of the same name gives way to a new uid). */
  put(
    kind: ObjectKind,
    name: string,
    body: Record<string, unknown>,
    system: Record<string, unknown>,
  ): Promise<StoredObject>;
  /** Leaves a tombstone. False when there was nothing. */
  remove(kind: ObjectKind, name: string): Promise<boolean>;
  /** As this transaction sees it. */
  statement(): Promise<SignedStatement>;
  setStatement(statement: SignedStatement): Promise<void>;
  /** The site's CAs as this transaction sees them. */
  siteCas(): Promise<SiteCas>;
  setSiteCas(cas: SiteCas): Promise<void>;
  /** Its SHA-256, hexadecimal. */
  putFile(bytes: Uint8Array): Promise<string>;
  hasFile(hash: string): Promise<boolean>;
  /** Hashes of all contents that there are. */
  files(): Promise<readonly string[]>;
  removeFiles(hashes: readonly string[]): Promise<void>;
};

/** The worst of its sections. */
export type ReportOutcome = SectionResult['result'];

/** What a device told last of a bundle: of its own (`user` = ''), or of a user's on it. */
export type BundleReport = {
  /** `device:NAME`. */
  readonly origin: string;
  readonly user: string;
  /** Unix ms by the device's clock. */
  readonly at: number;
  readonly etag: string;
  readonly version: Version;
  readonly outcome: ReportOutcome;
  readonly sections: Readonly<Record<string, SectionResult>>;
};

/** How many newest reports are of this generation and came to this. */
export type ReportTally = { readonly generation: number; readonly outcome: ReportOutcome; readonly count: number };

export type CommitEntry = {
  readonly version: Version;
  readonly atMs: number;
  readonly actor: string;
  /** How many objects of which kind. */
  readonly summary: Readonly<Record<'put' | 'removed', Readonly<Record<string, number>>>>;
};

/** An object that commits have touched: as it was, and as it is; null where it does not exist. */
export type GenerationChange = {
  readonly kind: ObjectKind;
  readonly name: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
};

/** Whose commit it is. */
export type Committer = {
  readonly instance: string;
  readonly epoch: number;
  readonly actor: string;
  /** Nothing is written where the database lacks one of these, as far as they are of this epoch: it has forked. */
  readonly restsOn?: readonly ReplicaPosition[];
};

/** A new epoch: an administrator's word that this state of the database counts. */
export type EpochRaise = {
  /** What the administrator has seen there: nothing is done to any other state. */
  readonly from: Pick<SiteRow, 'version' | 'commitId'>;
  readonly epoch: number;
  readonly primaryInstance: string;
  readonly actor: string;
};

export type CommitOutcome<T> =
  | { readonly kind: 'committed'; readonly version: Version; readonly commitId: string; readonly result: T }
  /** The site row names another Primary or epoch: this server steps down. */
  | { readonly kind: 'stepped_down' }
  /** The database lacks what this server has seen (`restsOn`): it was restored or replaced. */
  | { readonly kind: 'forked' }
  /** `work` asked for nothing to be written (it returned `abandon`). */
  | { readonly kind: 'abandoned'; readonly result: T };

export type HistoryEntry = {
  readonly version: Version;
  readonly atMs: number;
  readonly actor: string;
  /** null = deleted in this commit. */
  readonly body: Readonly<Record<string, unknown>> | null;
};

/** Which objects, by kind in this order, and by name. */
export type ChangedPage = {
  readonly kinds: readonly ObjectKind[];
  /** `next` of the page before. */
  readonly after?: Pick<StoredObject, 'kind' | 'name'> | undefined;
  readonly limit: number;
};

/** Objects that commits after a generation have touched, each beside what it was at that generation. */
export type ChangedSince = {
  /** As they were when this page was read. */
  readonly site: Pick<SiteRow, 'version' | 'compactedGeneration'>;
  /** In which that generation was made; undefined: no commit of that generation is known. */
  readonly epoch: number | undefined;
  readonly items: readonly {
    /** Live object or tombstone. */
    readonly now: StoredObject;
    /** undefined: it did not exist then. */
    readonly before: Pick<StoredObject, 'body' | 'system'> | undefined;
  }[];
  readonly next: Pick<StoredObject, 'kind' | 'name'> | undefined;
};

export type CompactionOutcome =
  /** `generation`: the site's `compactedGeneration` from now on. */
  | { readonly kind: 'compacted'; readonly removed: number; readonly generation: number }
  | { readonly kind: 'stepped_down' | 'forked' };

export type EventQuery = {
  readonly limit: number;
  /** `sequence` (decimal) of the last event of the page before. */
  readonly before?: string;
  readonly type?: string;
  /** Of any of these, as the name was written: the spellings of one person. */
  readonly users?: readonly string[];
};

export type StoredEvent = RecordedEvent & { readonly sequence: number };

export type ConnectionLoad = {
  readonly lane: 'feed' | 'reader' | 'writer';
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly limit: number;
};

/** The SQL database behind a server. Rejects with DatabaseUnavailable when it cannot be reached within its deadline. */
export type SourceOfRecord = {
  readonly kind: ServerStatus['database']['kind'];
  /** Creates the schema and the site row at generation 1 with these objects; fails if a site is there. */
  initialise(
    site: NewSite,
    objects: readonly Pick<StoredObject, 'kind' | 'name' | 'body' | 'system'>[],
  ): Promise<SiteRow>;
  /** undefined: no site here (yet). */
  site(): Promise<SiteRow | undefined>;
  feed(position: ReplicaPosition | undefined): Promise<Feed>;
  /** Whether the database lacks the commit that a replica of the same epoch rests on; for certain, by a lock, if this one may write. */
  lacks(position: ReplicaPosition): Promise<boolean>;
  /** The last commit that was made in this epoch or an earlier one; undefined: none is known. */
  lastCommitOf(epoch: number): Promise<Omit<ReplicaPosition, 'siteId'> | undefined>;
  /** The newest epochs of this line of commits, newest first. */
  line(): Promise<readonly EpochSpan[]>;
  /** What keeps a Primary from writing here, in words and in what to run; undefined: nothing that is known. */
  obstacleToWriting(): Promise<{ readonly what: string; readonly mend: readonly string[] } | undefined>;
  /** `work` may return `abandon(result)` to write nothing and take no generation. */
  commit<T>(
    by: Committer,
    work: (transaction: CommitTransaction) => Promise<{ readonly write: boolean; readonly result: T }>,
  ): Promise<CommitOutcome<T>>;
  /** A commit that begins a new epoch, whoever was the Primary before. undefined: the database is not as it was seen. */
  raiseEpoch<T>(
    raise: EpochRaise,
    work: (transaction: CommitTransaction) => Promise<T>,
  ): Promise<{ readonly version: Version; readonly commitId: string; readonly result: T } | undefined>;
  history(kind: ObjectKind, name: string, limit: number): Promise<readonly HistoryEntry[]>;
  /** A page of what changed after `generation`; complete down to the site's `compactedGeneration`. */
  changedSince(generation: number, page: ChangedPage): Promise<ChangedSince>;
  /** Removes tombstones whose time is over at `nowMs` (Unix ms), in small transactions; `signal` ends it between two. */
  compact(by: Omit<Committer, 'actor'>, nowMs: number, signal?: AbortSignal): Promise<CompactionOutcome>;
  /** Each exactly once, by (origin, id). Returns when they are durable. An event that the database refuses goes to its quarantine. */
  storeEvents(events: readonly RecordedEvent[]): Promise<{ readonly quarantined: number }>;
  events(query: EventQuery): Promise<readonly StoredEvent[]>;
  /** When the newest event of each of these origins was taken, Unix ms. Who has sent none is not in it. */
  lastHeardFrom(origins: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Content of a file by its SHA-256 (hexadecimal), checked; undefined: it is not (wholly) there. */
  file(hash: string): Promise<Uint8Array | undefined>;
  /** The newest reports of these origins; those that have reported nothing are not in it. */
  reports(origins: readonly string[]): Promise<readonly BundleReport[]>;
  reportTally(epoch: number): Promise<readonly ReportTally[]>;
  /** Newest first. */
  commits(query: {
    readonly epoch: number;
    readonly before?: number;
    readonly limit: number;
  }): Promise<readonly CommitEntry[]>;
  /** What the commits after `from`, up to `to`, have touched. */
  changesBetween(range: {
    readonly epoch: number;
    readonly from: number;
    readonly to: number;
    readonly limit: number;
  }): Promise<{ readonly items: readonly GenerationChange[]; readonly more: boolean }>;
  /** The connections to a database that is reached by some: how many work, rest, are waited for, and may be at most. */
  connections(): readonly ConnectionLoad[];
  close(): Promise<void>;
};
