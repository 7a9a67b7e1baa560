import type { ActivateAt } from '@thinman/protocol';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/**
 * When a planned moment is, in Unix ms; undefined: there is no such day, or no such zone. A time that the clocks skip (02:30 in the
 * night in which summer time begins) is as much later as they skip: 03:30. One that comes twice is the first of the two.
 */
export function momentOf({ at, timeZone }: ActivateAt): number | undefined {
  const asUtcMs = Date.parse(`${at}:00Z`);
  // Some engines take 30 February for 2 March.
  if (Number.isNaN(asUtcMs) || new Date(asUtcMs).toISOString().slice(0, at.length) !== at) return undefined;
  const offset = offsetIn(timeZone);
  if (offset === undefined) return undefined;
  // The offsets before and after whatever change is near: zones change twice a year, never twice in two days.
  const [before, after] = [offset(asUtcMs - DAY_MS), offset(asUtcMs + DAY_MS)];
  const candidates = [asUtcMs - before, asUtcMs - after];
  const real = candidates.filter(ms => ms + offset(ms) === asUtcMs);
  // In a gap no candidate shows this time: by the offset before it, what is meant is as much later.
  return real.length > 0 ? Math.min(...real) : asUtcMs - before;
}

/** Milliseconds east of UTC at a moment, in a zone; undefined: there is no such zone. */
function offsetIn(timeZone: string): ((unixMs: number) => number) | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      hourCycle: 'h23',
      ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' },
    });
  } catch {
    return undefined;
  }
  return unixMs => {
    const parts = new Map(format.formatToParts(unixMs).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    const shown = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
    return shown - Math.floor(unixMs / 1000) * 1000;
  };
}
