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

/** Control characters, line ends, and what turns the direction of the text. */
const DRIVES_TERMINALS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const HEX = 16;

/** Cells are also what devices said, and what anybody typed at a login: none of it may drive the terminal. */
export function visible(cell: string): string {
  return cell.replaceAll(DRIVES_TERMINALS, char => `\\u${char.charCodeAt(0).toString(HEX).padStart(4, '0')}`);
}

/** A moment for people: `2027-01-31 12:00:00Z`. */
export function moment(unixMs: number): string {
  return new Date(unixMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
