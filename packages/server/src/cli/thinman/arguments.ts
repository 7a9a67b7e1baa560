import { MAX_EPOCH_ABOVE } from '@thinman/protocol';
import { CommandError, EXIT } from './command-error.ts';

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const;

/** What a server takes for a token: a year, and as many devices as no site has. */
const MAX_TOKEN_DAYS = 366;
const MAX_TOKEN_USES = 1_000_000;

/** `90s`, `30m`, `24h`, `7d` in milliseconds. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw new CommandError(EXIT.misuse, `${text} is not a time: write 90s, 30m, 24h or 7d`);
  }
  return Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

/** A whole number from 1. */
export function parseCount(option: string, text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new CommandError(EXIT.misuse, `${option} ${text} is not a whole number from 1`);
}

/** A generation of the site: `41`, or as `apply` prints it, with its epoch before a dot. Of each there is one in the site's line of commits. */
export function parseGeneration(option: string, text: string): number {
  const [, generation] = /^(?:[1-9]\d{0,14}\.)?([1-9]\d{0,14})$/.exec(text) ?? [];
  if (generation !== undefined) return Number(generation);
  throw new CommandError(EXIT.misuse, `${option} ${text} is no generation: write 41, or 1.41 as apply prints it`);
}

/** `--epoch-above`. */
export function parseEpochAbove(text: string): number {
  const epoch = parseCount('--epoch-above', text);
  if (epoch <= MAX_EPOCH_ABOVE) return epoch;
  throw new CommandError(EXIT.misuse, `--epoch-above ${text} is too high: ${MAX_EPOCH_ABOVE} at most`);
}

/** `--ttl`, in milliseconds. */
export function parseTtl(text: string): number {
  const ms = parseDuration(text);
  if (ms > 0 && ms <= MAX_TOKEN_DAYS * UNITS_MS.d) return ms;
  throw new CommandError(EXIT.misuse, `--ttl ${text} is out of bounds: from 1s to ${MAX_TOKEN_DAYS}d`);
}

/** `--uses`. */
export function parseUses(text: string): number {
  const uses = parseCount('--uses', text);
  if (uses <= MAX_TOKEN_USES) return uses;
  throw new CommandError(EXIT.misuse, `--uses ${text} is too many: ${MAX_TOKEN_USES} at most`);
}

/** SHA-256 in base64url. */
const KEY_HASH = /^[A-Za-z0-9_-]{43}$/;

/** A machine's key, as `device list-unknown` shows it. */
export function parseKeyHash(text: string): string {
  if (KEY_HASH.test(text)) return text;
  throw new CommandError(EXIT.misuse, `${text} is no key: copy all 43 letters of "thinman device list-unknown"`);
}
