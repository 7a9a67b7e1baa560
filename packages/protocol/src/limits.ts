/** Sizes that both sides share. A body above its limit is 413 `too_large` before it is parsed. */
export const MAX_BODY_BYTES = 1024 * 1024; // devices: a batch of events or a bundle; 1 MiB is ten times the largest seen
export const MAX_ADMIN_BODY_BYTES = 32 * 1024 * 1024; // one `apply` of a site of 100,000 objects at ~300 bytes
export const MAX_FRAME_BYTES = 256 * 1024; // a frame of the channel or the link
/** Nesting of JSON that is read at all; deeper input is a mistake or an attack. */
export const MAX_JSON_DEPTH = 32;
export const MAX_EVENTS_PER_BATCH = 500;
export const MAX_EVENT_BYTES = 16 * 1024;
/** The last moment that a Date can say (ECMA-262), in Unix ms: any later one is nonsense that nobody could print. */
export const MAX_UNIX_MS = 8_640_000_000_000_000;
/** Password characters: below 8 is refused on creation; the upper bound stops a hash of megabytes. */
export const MIN_PASSWORD_LENGTH = 8;
export const MAX_PASSWORD_LENGTH = 1024;
/** Objects in one page of a list. */
export const DEFAULT_PAGE_SIZE = 200;
export const MAX_PAGE_SIZE = 1000;
/** Administration while the database is away is answered within this time (`design.md`, contract). */
export const ADMIN_DATABASE_DEADLINE_MS = 10_000;
