import { randomBytes } from 'node:crypto';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import Database from 'better-sqlite3';

/** Random bytes over all of a file, in place: it keeps its inode and its length. */
export function scribble(path: string): void {
  overwrite(path, 0, randomBytes(statSync(path).size));
}

/**
 * Random bytes over one page of a table or an index (`sqlite_schema`: the first page of all), where its rows lie; `skip`: pages
 * before it. The file must be closed by everybody else; what its log holds is brought in before. Gives how many rows lay there.
 */
export function spoilPage(path: string, table: string, skip = 0): number {
  const db = new Database(path);
  db.pragma('wal_checkpoint(TRUNCATE)');
  const pageBytes = Number(db.pragma('page_size', { simple: true }));
  const page = db
    .prepare<[string, number], { pageno: number; ncell: number }>(
      "SELECT pageno, ncell FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET ?",
    )
    .get(table, skip);
  db.close();
  if (page === undefined) throw new Error(`${path} has no such page of ${table}`);
  overwrite(path, (page.pageno - 1) * pageBytes, randomBytes(pageBytes));
  return page.ncell;
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}
