import type { Figure } from './bench.ts';

/** As `npm run bench -- --json` prints it, in one line. */
export function asJson(name: string, figures: readonly Figure[]): string {
  return JSON.stringify({ name, figures: figures.map(inOrder) });
}

/** Without what is for the table alone. */
function inOrder({ name, value, unit, floor, ratio, target, met }: Figure): Omit<Figure, 'spread'> {
  return { name, value, unit, floor, ratio, target, met };
}

const HEADER = ['figure', 'value', 'floor', 'ratio', 'spread', 'target', 'met'] as const;
/** Columns of numbers are set to the right. */
const NUMBERS = 4;

export function asTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, floor, ratio, spread = '', target, met }) => [
    name,
    `${inDigits(value)} ${unit}`,
    `${inDigits(floor)} ${unit}`,
    inDigits(ratio),
    spread,
    target,
    met ? 'yes' : 'NO',
  ]);
  const lines = [[...HEADER], ...rows];
  const widths = HEADER.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)));
  return lines
    .map(line =>
      line
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column > 0 && column < NUMBERS ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Three digits say enough of what is measured on a shared machine. */
const DIGITS = 3;

export function inDigits(value: number): string {
  if (value === 0) return '0';
  const decimals = Math.max(0, DIGITS - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, DIGITS));
}
