import type {
  EpochSpan,
  KdfParameters,
  LoginBeginAnswer,
  Missing,
  ObjectKind,
  RecordedEvent,
  SectionResult,
  ServerStatus,
  SignedStatement,
  SiteStatement,
  ThinmanEvent,
  Version,
  WeekHours,
} from '@thinman/protocol';

/** Time, injected. `nowMs`: Unix milliseconds. `monotonicMs`: never goes back; means nothing outside this process. */
export type Clock = {
  nowMs(): number;
  monotonicMs(): number;
  /** Runs `action` once after `delayMs`; returns how to cancel it. */
  after(delayMs: number, action: () => void): () => void;
};

/** One object as it is stored: what administrators wrote (`body`) and what servers keep beside it (`system`). */
export type StoredObject = {
  readonly kind: ObjectKind;
  readonly name: string;
  /** Random UUID given at creation; another one when the name is created anew. */
  readonly uid: string;
  /** Generation of the last commit that touched it. */
  readonly generation: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly system: Readonly<Record<string, unknown>>;
  /** A tombstone: body is empty, `system` is what it was (a deleted device stays known by its key). */
  readonly deleted: boolean;
};

/** The site row: the site as its source of record has it. */
export type SiteRow = {
  readonly siteId: string;
  readonly version: Version;
  /** commitId of the commit that made `version`. */
  readonly commitId: string;
  /** Instance of the server that administers: the role is data. */
  readonly primaryInstance: string;
  /** Tombstones up to here are gone: a replica below it syncs fully. */
  readonly compactedGeneration: number;
  readonly schema: number;
  readonly statement: SignedStatement;
  /** PEM; the site's CA, or two while it is changed: then the one that issues comes first. */
  readonly caCertificates: readonly string[];
  /** The CA's private key under the recovery code; while it is changed, several (`identity/recovery-code.ts`). */
  readonly wrappedCaKey: string;
};

export type NewSite = Omit<SiteRow, 'version' | 'commitId' | 'compactedGeneration' | 'schema'>;

export type SiteCas = Pick<SiteRow, 'caCertificates' | 'wrappedCaKey'>;

/** What a replica must do to become current. All of it was read in one snapshot, site row first. */
export type Feed =
  | { readonly kind: 'current'; readonly site: SiteRow }
  | { readonly kind: 'incremental'; readonly site: SiteRow; readonly objects: readonly StoredObject[] }
  | {
      readonly kind: 'full';
      readonly site: SiteRow;
      readonly objects: readonly StoredObject[];
      /** What the replica rests on is no part of this line of commits: an administrator has given it up. */
      readonly drops?: true;
    }
  /** The source of record lacks the commit that the replica rests on. */
  | { readonly kind: 'forked'; readonly site: SiteRow };

/** Where a replica stands. */
export type ReplicaPosition = { readonly siteId: string; readonly version: Version; readonly commitId: string };

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
  readonly user?: string;
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

/** What applying a feed changed, for those who must be told. */
export type AppliedChange = {
  readonly version: Version;
  /** true: anything may have changed (full sync). */
  readonly full: boolean;
  readonly objects: readonly StoredObject[];
};

/** A server's own copy of the objects (SQLite). Synchronous: microseconds, no network in the path. */
export type Replica = {
  /** undefined before the first sync. */
  position(): ReplicaPosition | undefined;
  site(): SiteRow | undefined;
  /** One transaction; listeners are told after it. */
  apply(feed: Feed): AppliedChange | undefined;
  onApplied(listener: (change: AppliedChange) => void): () => void;
  /** Live objects only. */
  get(kind: ObjectKind, name: string): StoredObject | undefined;
  /** Live object or tombstone. */
  find(kind: ObjectKind, name: string): StoredObject | undefined;
  findByUid(kind: ObjectKind, uid: string): StoredObject | undefined;
  /** By SHA-256 of the SPKI of its key; live object or tombstone. */
  findDeviceByKey(keyHash: string): StoredObject | undefined;
  /** Live objects by name. */
  list(kind: ObjectKind, page?: { readonly after?: string; readonly limit: number }): readonly StoredObject[];
  count(kind: ObjectKind): number;
  /** Live devices of this very group, by name. */
  devicesOf(group: string, page: { readonly after?: string; readonly limit: number }): readonly StoredObject[];
  /** The object of this kind, or its tombstone, whose uid follows `uid` in order, else the first: a stable choice by a hash. */
  nextByUid(kind: ObjectKind, uid: string): StoredObject | undefined;
  /** Objects that were touched after this generation, tombstones too; the newest are named. */
  touchedSince(generation: number): Missing;
  /** A page of all there is, tombstones too, ordered by kind and name. */
  page(after: Pick<StoredObject, 'kind' | 'name'> | undefined, limit: number): readonly StoredObject[];
  close(): void;
};

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
  /** Oldest pending entries. */
  next(limit: number): readonly RecordedEvent[];
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

/** This server's own keys and the site's, as they are now: a certificate is renewed, a CA changed, while it runs. */
export type ServerIdentity = {
  readonly siteId: string;
  readonly instance: string;
  readonly name: string;
  /** SHA-256 of the SPKI of its TLS key, base64url. */
  readonly keyHash: string;
  /** Raw X25519 public key, base64url: another one in the statement is another host, restored in the place of this one. */
  readonly wrappingKey: string;
  readonly tls: { readonly keyPem: string; readonly certificatePem: string };
  readonly caCertificates: readonly string[];
};

/** The site CA that issues now; only where its key lies (the Primary). */
export type CertificateAuthority = {
  issueDevice(csrPem: string, deviceId: string): Promise<IssuedCertificate>;
  /** While the CA is changed, `pem` ends with the certificate that ties the new one to the old one. */
  issueServer(csrPem: string, name: string, urls: readonly string[]): Promise<IssuedCertificate>;
  /** By the key of its first pin, and by those of the others that are here. */
  sign(statement: SiteStatement): SignedStatement;
};
export type IssuedCertificate = {
  readonly pem: string;
  readonly keyHash: string;
  readonly serial: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
};

/** The site data key: secrets of objects, and what must be alike on all servers. */
export type SiteDataKey = {
  /** HMAC-SHA256 under a key derived from the data key for this purpose. */
  mac(purpose: 'false-salt' | 'failure-fact' | 'login-binding' | 'emergency-key', ...parts: readonly string[]): Buffer;
  seal(plain: string, context: string): string;
  open(sealed: string, context: string): string;
  /** The data key itself, wrapped to another server's raw X25519 key (base64url). */
  wrapFor(wrappingKey: string): string;
  /** Seals with a new key; opens what this one opens, and makes the same MACs. */
  renewed(): SiteDataKey;
  /** The one that is wrapped to this server in its Server object (`wrappedDataKey`); this one where that is no newer one. */
  heldIn(wrapped: string): SiteDataKey;
};

/** What a session token says. */
export type SessionClaims = {
  readonly loginId: string;
  readonly userId: string;
  readonly user: string;
  readonly deviceKeyHash: string;
  readonly credentialVersion: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly expiresAt: number;
  /** A directory's user, who has no object: the groups that the site knows, and the name to show. */
  readonly directory?: {
    readonly groups: readonly string[];
    readonly displayName?: string;
    /** When the directory lets the user in, if not always. */
    readonly hours?: WeekHours;
  };
};
export type SessionTokens = {
  issue(claims: Omit<SessionClaims, 'expiresAt'>): Promise<{ readonly token: string; readonly expiresAt: number }>;
  /** Any server of the statement may have issued it. `allowExpired`: for logout. */
  verify(token: string, statement: SiteStatement, allowExpired?: boolean): Promise<SessionClaims | undefined>;
};

/** Turns passwords into credentials, in Node's thread pool, behind a bounded queue. */
export type PasswordHasher = {
  credential(
    password: string,
    siteId: string,
    kdf: KdfParameters,
  ): Promise<{ readonly salt: string; readonly publicKey: string }>;
  fits(
    password: string,
    siteId: string,
    credential: { readonly kdf: KdfParameters; readonly salt: string; readonly publicKey: string },
  ): Promise<boolean>;
  administrator(password: string): Promise<{ readonly passwordSalt: string; readonly passwordHash: string }>;
  administratorFits(
    password: string,
    held: { readonly passwordSalt: string; readonly passwordHash: string },
  ): Promise<boolean>;
};

/** Makes events of this server and hands them to the journal. */
export type EventWriter = {
  write(type: string, data: Record<string, unknown>, more?: Partial<Pick<ThinmanEvent, 'id' | 'user'>>): Promise<void>;
};

export type { LoginBeginAnswer };
