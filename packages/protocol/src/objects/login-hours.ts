import Type, { type Static } from 'typebox';
import { timeOfDay } from './settings/schemas.ts';
import { closed } from './shape.ts';

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
/** One by one: a mapped tuple would lose the words in its type. */
const Day = Type.Union([
  Type.Literal('monday'),
  Type.Literal('tuesday'),
  Type.Literal('wednesday'),
  Type.Literal('thursday'),
  Type.Literal('friday'),
  Type.Literal('saturday'),
  Type.Literal('sunday'),
]);
const MINUTES_AN_HOUR = 60;

/**
 * When somebody may log in, by the clock on the wall in `timeZone` (IANA; left out: the device's own). A span whose `to` is not later
 * than its `from` ends on the next day; equal ones are a whole day. None at all: never.
 */
export const LoginHours = closed({
  timeZone: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  times: Type.Array(
    closed({
      days: Type.Array(Day, { minItems: 1, maxItems: 7, uniqueItems: true }),
      from: timeOfDay,
      to: timeOfDay,
    }),
    { maxItems: 28 },
  ),
});
export type LoginHours = Static<typeof LoginHours>;

/** Is this one of them? Unix ms. False as well where the zone is none: what cannot be told apart is not let in. */
export function isWithinHours({ timeZone = 'UTC', times }: LoginHours, nowMs: number): boolean {
  const wall = wallClock(timeZone, nowMs);
  if (wall === undefined) return false;
  const { day, minute } = wall;
  const today = DAYS[day];
  const yesterday = DAYS[(day + DAYS.length - 1) % DAYS.length];
  return times.some(({ days, from, to }) => {
    const [begins, ends] = [minuteOf(from), minuteOf(to)];
    const [isToday, wasYesterday] = [days.some(one => one === today), days.some(one => one === yesterday)];
    if (begins < ends) return isToday && begins <= minute && minute < ends;
    return (isToday && begins <= minute) || (wasYesterday && minute < ends);
  });
}

const MINUTE_MS = 60_000;
const MINUTES_A_DAY = 24 * MINUTES_AN_HOUR;
const MINUTES_A_WEEK = DAYS.length * MINUTES_A_DAY;
/** A clock that was set forward or back meanwhile (summer time) shifts what was counted by this. */
const SHIFTS_MS = [0, -60 * MINUTE_MS, 60 * MINUTE_MS];

/** How long until one of them begins, in ms; 0: it is one of them; undefined: none begins within a week, or the zone is none. */
export function msUntilWithinHours(hours: LoginHours, nowMs: number): number | undefined {
  if (isWithinHours(hours, nowMs)) return 0;
  const wall = wallClock(hours.timeZone ?? 'UTC', nowMs);
  if (wall === undefined) return undefined;
  const thisMinuteMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  const begins = hours.times.flatMap(({ days, from }) =>
    days.map(day => {
      const inDays = DAYS.indexOf(day) - wall.day;
      const minutes = inDays * MINUTES_A_DAY + minuteOf(from) - wall.minute;
      return thisMinuteMs + ((minutes + MINUTES_A_WEEK) % MINUTES_A_WEEK) * MINUTE_MS;
    }),
  );
  const moments = begins
    .flatMap(atMs => SHIFTS_MS.map(shiftMs => atMs + shiftMs))
    .filter(atMs => atMs > nowMs && isWithinHours(hours, atMs));
  return moments.length === 0 ? undefined : Math.min(...moments) - nowMs;
}

/** Whether this machine's time zone database has it. */
export function isTimeZone(timeZone: string): boolean {
  return formatIn(timeZone) !== undefined;
}

/** What a clock shows there; `day`: 0 = Sunday. */
function wallClock(timeZone: string, nowMs: number): { readonly day: number; readonly minute: number } | undefined {
  const format = formatIn(timeZone);
  if (format === undefined) return undefined;
  const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  const day = DAYS.findIndex(name => name.startsWith((parts.get('weekday') ?? '?').toLowerCase()));
  return { day, minute: Number(parts.get('hour')) * MINUTES_AN_HOUR + Number(parts.get('minute')) };
}

function formatIn(timeZone: string): Intl.DateTimeFormat | undefined {
  const shown = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, ...shown });
  } catch {
    return undefined;
  }
}

function minuteOf(time: string): number {
  const [hours = '', minutes = ''] = time.split(':');
  return Number(hours) * MINUTES_AN_HOUR + Number(minutes);
}
