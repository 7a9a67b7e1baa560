import { createHmac, timingSafeEqual } from 'node:crypto';
import { lengthPrefixed } from '@thinman/protocol';
import type { Database } from 'better-sqlite3';
import { CacheTrouble } from './cache-trouble.ts';

/**
 * One row of what the device knows. `key` names it within its kind, `ref` is what else it is looked up by. The tag, under
 * a key of this device, tells rows that were edited or came from elsewhere.
 */
export type Row = {
  readonly kind: 'login' | 'tombstone' | 'failures' | 'emergency' | 'device';
  readonly key: string;
  readonly ref: string;
  /** JSON of this program: what the tag vouches for is read without another check. */
  readonly body: string;
  readonly blob: Buffer;
};
type StoredRow = Row & { readonly tag: Buffer };

const NO_BLOB = Buffer.alloc(0);

export const ROWS_SCHEMA = `
  CREATE TABLE fact (
    kind TEXT NOT NULL, key TEXT NOT NULL, ref TEXT NOT NULL,
    body TEXT NOT NULL, blob BLOB NOT NULL, tag BLOB NOT NULL,
    PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX fact_by_ref ON fact (kind, ref);`;

export type Rows = ReturnType<typeof openRows>;

export function tagOf(rowKey: Uint8Array, parts: readonly (string | Uint8Array)[]): Buffer {
  return createHmac('sha256', rowKey).update(lengthPrefixed(parts)).digest();
}

export function isTag(stored: Uint8Array, expected: Uint8Array): boolean {
  return stored.length === expected.length && timingSafeEqual(stored, expected);
}

/** Every read is checked: throws CacheTrouble `damaged` at a row that is not this device's own. */
export function openRows(db: Database, rowKey: Uint8Array) {
  const put = db.prepare('INSERT OR REPLACE INTO fact (kind, key, ref, body, blob, tag) VALUES (?, ?, ?, ?, ?, ?)');
  const get = db.prepare<[string, string], StoredRow>('SELECT * FROM fact WHERE kind = ? AND key = ?');
  const byRef = db.prepare<[string, string], StoredRow>('SELECT * FROM fact WHERE kind = ? AND ref = ?');
  const all = db.prepare<[string], StoredRow>('SELECT * FROM fact WHERE kind = ? ORDER BY key');
  const every = db.prepare<[], StoredRow>('SELECT * FROM fact');
  const remove = db.prepare('DELETE FROM fact WHERE kind = ? AND key = ?');
  const removeKind = db.prepare('DELETE FROM fact WHERE kind = ?');

  const tag = ({ kind, key, ref, body, blob }: Row) => tagOf(rowKey, ['fact', kind, key, ref, body, blob]);
  const checked = (row: StoredRow): Row => {
    if (!isTag(row.tag, tag(row))) throw new CacheTrouble('damaged', `a row of kind ${row.kind} has a wrong tag`);
    return row;
  };

  return {
    put(kind: Row['kind'], key: string, value: unknown, extra: { ref?: string; blob?: Buffer } = {}): void {
      const row = { kind, key, ref: extra.ref ?? '', body: JSON.stringify(value), blob: extra.blob ?? NO_BLOB };
      put.run(kind, key, row.ref, row.body, row.blob, tag(row));
    },
    get(kind: Row['kind'], key: string): Row | undefined {
      const row = get.get(kind, key);
      return row === undefined ? undefined : checked(row);
    },
    byRef: (kind: Row['kind'], ref: string): readonly Row[] => byRef.all(kind, ref).map(checked),
    all: (kind: Row['kind']): readonly Row[] => all.all(kind).map(checked),
    remove: (kind: Row['kind'], key: string): void => void remove.run(kind, key),
    removeKind: (kind: Row['kind']): void => void removeKind.run(kind),
    /** Throws at the first row that is not right. */
    checkAll(): void {
      for (const row of every.iterate()) checked(row);
    },
  };
}
