import type { Missing, ObjectKind, SignedStatement, Version } from '@thinman/protocol';

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
  /** Live object or tombstone. */
  findByUid(kind: 'Device' | 'User', uid: string): StoredObject | undefined;
  /** By SHA-256 of the SPKI of its key; live object or tombstone. */
  findDeviceByKey(keyHash: string): StoredObject | undefined;
  /** Live objects by name. */
  list(kind: ObjectKind, page?: { readonly after?: string; readonly limit: number }): readonly StoredObject[];
  count(kind: ObjectKind): number;
  /** Live devices of this very group, by name. */
  devicesOf(group: string, page: { readonly after?: string; readonly limit: number }): readonly StoredObject[];
  /** The user, or its tombstone, whose uid follows `uid` in order, else the first: a stable choice by a hash. */
  nextUserByUid(uid: string): StoredObject | undefined;
  /** Objects that were touched after this generation, tombstones too; the newest are named. */
  touchedSince(generation: number): Missing;
  /** A page of all there is, tombstones too, ordered by kind and name. */
  page(after: Pick<StoredObject, 'kind' | 'name'> | undefined, limit: number): readonly StoredObject[];
  close(): void;
};
