import { CommandError, EXIT } from './command-error.ts';

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const;

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
