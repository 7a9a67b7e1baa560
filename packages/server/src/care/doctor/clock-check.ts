import { type Check, ok, warn } from './check.ts';

/** Nothing of ThinMan compares two machines' clocks; sessions of 15 minutes, and people who read logs, do. */
const WARN_MS = 10_000;
const MS_PER_SECOND = 1000;

/** `theirMs`: what the other clock said, Unix milliseconds, NaN if nothing. */
export function checkClock(what: string, theirMs: number, ownMs: number): Check {
  if (Number.isNaN(theirMs)) return ok('clock', `${what} is not told`);
  const apart = theirMs - ownMs;
  const found = `${what} is ${Math.round(Math.abs(apart) / MS_PER_SECOND)} s ${apart < 0 ? 'behind' : 'ahead of'} this host's`;
  if (Math.abs(apart) <= WARN_MS) return ok('clock', `${what} and this host's agree`);
  return warn('clock', found, 'let both follow the same time servers (chrony, systemd-timesyncd)');
}
