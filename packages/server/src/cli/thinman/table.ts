import { visible } from '@thinman/protocol';

const COLUMN_GAP = '  ';

/** Columns as wide as their widest cell; the last one as it is. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headers, ...rows].map(row => row.map(visible));
  const widths = headers.map((_, column) => Math.max(...all.map(row => (row[column] ?? '').length)));
  return all
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(COLUMN_GAP)
        .trimEnd(),
    )
    .map(line => `${line}\n`)
    .join('');
}

/** A moment for people: `2027-01-31 12:00:00Z`. */
export function moment(unixMs: number): string {
  return new Date(unixMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
