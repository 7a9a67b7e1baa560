import Type, { type Static } from 'typebox';

const HOUR_MS = 60 * 60_000;
const HOURS_A_WEEK = 7 * 24;
const BITS_A_BYTE = 8;
/** What a directory gives: a bit for each hour of a week. */
export const WEEK_HOURS_BYTES = HOURS_A_WEEK / BITS_A_BYTE;
/** 1970-01-01 was a Thursday. */
const FIRST_HOUR = 4 * 24;

/**
 * The hours of a week in which somebody may log in, as Active Directory has them (`logonHours`): a bit an hour in UTC from Sunday 0:00 on,
 * the lowest bit of each byte first; 21 bytes, base64url. @see MS-ADA1 2.376, MS-SAMR 2.2.6.5
 */
export const WeekHours = Type.String({ pattern: '^[A-Za-z0-9_-]{28}$' });
export type WeekHours = Static<typeof WeekHours>;

/** undefined: at any time; also where they are not a week's. */
export function weekHours(bytes: Uint8Array): WeekHours | undefined {
  if (bytes.length !== WEEK_HOURS_BYTES || bytes.every(byte => byte === 0xff)) return undefined;
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

/** How long until one of them begins, in ms; 0: it is one of them; undefined: there is none. */
export function msUntilWithinWeekHours(hours: WeekHours, nowMs: number): number | undefined {
  if (isWithinWeekHours(hours, nowMs)) return 0;
  const nextMs = (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS;
  for (let hour = 0; hour < HOURS_A_WEEK; hour++) {
    const atMs = nextMs + hour * HOUR_MS;
    if (isWithinWeekHours(hours, atMs)) return atMs - nowMs;
  }
  return undefined;
}

/** Is this one of them? Unix ms. False as well where it cannot be read: what cannot be told apart is not let in. */
export function isWithinWeekHours(hours: WeekHours, nowMs: number): boolean {
  let bytes: string;
  try {
    bytes = atob(hours.replaceAll('-', '+').replaceAll('_', '/'));
  } catch {
    return false;
  }
  const hour = (((Math.floor(nowMs / HOUR_MS) + FIRST_HOUR) % HOURS_A_WEEK) + HOURS_A_WEEK) % HOURS_A_WEEK;
  const byte = bytes.charCodeAt(Math.floor(hour / BITS_A_BYTE));
  return ((byte >> (hour % BITS_A_BYTE)) & 1) === 1;
}
