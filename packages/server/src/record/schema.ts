import type { Generated, Kysely } from 'kysely';

/**
 * The schema that this build writes. It reads the one before and the next as well (expand first, contract one release later):
 * either server may be updated first, and none of them is without its database meanwhile (ADR 0028).
 */
export const SCHEMA = 2;
export const OLDEST_READABLE_SCHEMA = Math.max(1, SCHEMA - 1);
export const NEWEST_READABLE_SCHEMA = SCHEMA + 1;

/** One row (id = 1): the site, its version, and whose the role of the Primary is. Locked by every commit. */
type SiteTable = {
  id: number;
  siteId: string;
  epoch: number;
  generation: number;
  commitId: string;
  primaryInstance: string;
  compactedGeneration: number;
  schema: number;
  /** JSON of a SignedStatement. */
  statement: string;
  /** JSON list of PEM. */
  caCertificates: string;
  wrappedCaKey: string;
};

/** One row (id = 1), apart from the site row: a beat must not wait for a commit, nor delay one. */
type HeartbeatTable = { id: number; instance: string; beat: number; at: number };

/** One row a commit. The random `commitId` tells a fork from a continuation. `summary`: JSON, how many of what. */
type CommitsTable = {
  epoch: number;
  generation: number;
  commitId: string;
  at: number;
  actor: string;
  summary: string;
};

/** Primary key (kind, name). `body` and `system` are canonical JSON; a tombstone is `deleted` = 1 with body `{}`. */
export type ObjectsTable = {
  kind: string;
  name: string;
  uid: string;
  generation: number;
  body: string;
  system: string;
  deleted: number;
  deletedAtMs: number | null;
};

/** Every state that an object was given, by the commit that gave it. `body` null = deleted. */
type HistoryTable = {
  kind: string;
  name: string;
  epoch: number;
  generation: number;
  at: number;
  actor: string;
  body: string | null;
  system: string;
};

/** Unique by (origin, id); `sequence` is the order of arrival, for listing. `data` is JSON. */
type EventsTable = {
  sequence: Generated<number>;
  origin: string;
  id: string;
  type: string;
  at: number;
  user: string | null;
  data: string;
  takenBy: string;
  takenAt: number;
};

/** Events that the database refused: kept whole, apart, for people to look at. */
type EventQuarantineTable = {
  sequence: Generated<number>;
  origin: string;
  eventId: string;
  at: number;
  reason: string;
  event: string;
};

/** Content of a file by its SHA-256 (hexadecimal), in parts of 64 KiB, base64. Never changed; objects of kind File name it. */
type FileChunksTable = { hash: string; part: number; data: string };

/** The newest `bundle.applied` of each device (`user` = '') and of each user on it; `sections` is JSON. */
type BundleReportsTable = {
  origin: string;
  user: string;
  eventId: string;
  at: number;
  etag: string;
  epoch: number;
  generation: number;
  outcome: string;
  sections: string;
};

export type RecordSchema = {
  site: SiteTable;
  heartbeat: HeartbeatTable;
  commits: CommitsTable;
  objects: ObjectsTable;
  history: HistoryTable;
  events: EventsTable;
  event_quarantine: EventQuarantineTable;
  file_chunks: FileChunksTable;
  bundle_reports: BundleReportsTable;
};

/** The names of all tables. */
export const TABLES: Readonly<Record<keyof RecordSchema, true>> = {
  site: true,
  heartbeat: true,
  commits: true,
  objects: true,
  history: true,
  events: true,
  event_quarantine: true,
  file_chunks: true,
  bundle_reports: true,
};

export type RecordDb = Kysely<RecordSchema>;
