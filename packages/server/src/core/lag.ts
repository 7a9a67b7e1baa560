import { compareVersions, isOlder, newestVersion, type Version } from '@thinman/protocol';

/**
 * What a server has heard of and still lacks, oldest first, and since when (its own monotonic clock, milliseconds). Wall
 * clocks of two machines are never compared.
 */
export type Lag = { readonly lacking: readonly { readonly version: Version; readonly sinceMs: number }[] };

export const NO_LAG: Lag = { lacking: [] };

/** Versions heard of within this time are kept as one entry, timed by the earliest: lag reads at most this much longer. */
const GRAIN_MS = 1_000;
/** Entries kept; beyond (a quarter of an hour at one commit a second) the last one takes what comes. */
const MAX_ENTRIES = 1_024;

/** The Primary was heard to have committed `version`; `has` is what the data hold. */
export function heard(lag: Lag, version: Version, has: Version, nowMs: number): Lag {
  const last = lag.lacking.at(-1);
  if (!isOlder(has, version) || (last !== undefined && !isOlder(last.version, version))) return lag;
  const joins = last !== undefined && (nowMs - last.sinceMs < GRAIN_MS || lag.lacking.length >= MAX_ENTRIES);
  return joins
    ? {
        lacking: [
          ...lag.lacking.slice(0, -1),
          { version: newestVersion(last.version, version), sinceMs: last.sinceMs },
        ],
      }
    : { lacking: [...lag.lacking, { version, sinceMs: nowMs }] };
}

/** The data have reached `has`. */
export function reached(lag: Lag, has: Version): Lag {
  const lacking = lag.lacking.filter(({ version }) => compareVersions(version, has) > 0);
  return lacking.length === lag.lacking.length ? lag : { lacking };
}

/**
 * After a restart: `version` was heard of before, and nobody knows how long ago, so the limit counts as passed. A server
 * that was lagging when it stopped must not come back as `serving` because its clock began anew.
 */
export function restoredLag(version: Version | undefined, has: Version, nowMs: number, lagLimitMs: number): Lag {
  if (version === undefined || !isOlder(has, version)) return NO_LAG;
  return { lacking: [{ version, sinceMs: nowMs - lagLimitMs - 1 }] };
}

/** 0 = lacks nothing it has heard of. */
export function lagMs(lag: Lag, nowMs: number): number {
  const [oldest] = lag.lacking;
  return oldest === undefined ? 0 : Math.max(1, Math.round(nowMs - oldest.sinceMs));
}
