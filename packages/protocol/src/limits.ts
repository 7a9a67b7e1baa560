// Sizes that both sides share. A body above its limit is 413 `too_large` before it is parsed.

/** A body of a device: a batch of events or a bundle; 1 MiB is ten times the largest seen. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** One `apply` of a site of 100,000 objects at some 300 bytes. */
export const MAX_ADMIN_BODY_BYTES = 32 * 1024 * 1024;
/** A frame of the channel or the link. */
export const MAX_FRAME_BYTES = 256 * 1024;
/** Nesting of JSON that is read at all; deeper input is a mistake or an attack. */
export const MAX_JSON_DEPTH = 32;
/** Events in one `POST /v1/events`. */
export const MAX_EVENTS_PER_BATCH = 500;
/** A file that the site holds itself; larger ones lie elsewhere, and are known by URL and hash. */
export const MAX_FILE_BYTES = 5 * 1024 * 1024;
/** One event as JSON; larger ones are refused where they are made. */
export const MAX_EVENT_BYTES = 16 * 1024;
/** The last moment that a Date can say (ECMA-262), in Unix ms: any later one is nonsense that nobody could print. */
export const MAX_UNIX_MS = 8_640_000_000_000_000;
/** Password characters: fewer are refused on creation. */
export const MIN_PASSWORD_LENGTH = 8;
/** Password characters: stops a hash of megabytes. */
export const MAX_PASSWORD_LENGTH = 1024;
/** Objects in one page of a list. */
export const DEFAULT_PAGE_SIZE = 200;
/** Objects in one page, at most. */
export const MAX_PAGE_SIZE = 1000;
/** Administration while the database is away is answered within this time (`design.md`, contract). */
export const ADMIN_DATABASE_DEADLINE_MS = 10_000;
/**
 * Events that wait in a server's journal, and those kept after they went out: 2,000 thin clients make some 100 MB a day, so two
 * weeks without a database, and still small beside what a server's disk is today.
 */
export const JOURNAL_LIMIT_BYTES = 2 * 1024 ** 3;
/** Room that a server keeps for its journal on a disk that others fill (`failover.md`, row 18): some 100,000 events. */
export const JOURNAL_RESERVE_BYTES = 64 * 1024 ** 2;
