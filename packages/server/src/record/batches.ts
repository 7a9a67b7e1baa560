/** Rows of one INSERT: some ten columns each, well below SQLite's 32,766 parameters. */
const MAX_ROWS = 200;
/** Characters of one INSERT: in UTF-8 and escaped at most 6 bytes each, far below a packet of MariaDB (16 MiB by default). */
const MAX_CHARS = 1024 * 1024;

/** Rows in their order, as many together as one statement may hold; one that is too large goes alone. */
export function* inBatches<T>(rows: readonly T[], charsOf: (row: T) => number): Generator<readonly T[]> {
  let from = 0;
  let chars = 0;
  for (const [at, row] of rows.entries()) {
    const more = charsOf(row);
    if (at > from && (at - from === MAX_ROWS || chars + more > MAX_CHARS)) {
      yield rows.slice(from, at);
      from = at;
      chars = 0;
    }
    chars += more;
  }
  if (from < rows.length) yield rows.slice(from);
}
