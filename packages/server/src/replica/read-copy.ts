import type { SiteRow } from '../ports.ts';
import { openSqliteFile } from '../record/dialects/sqlite-file.ts';
import type { ObjectRow } from '../record/stored-object.ts';
import { createDigest } from './digest.ts';
import { ofKind } from './of-kind.ts';
import { REPLICA_APPLICATION_ID, REPLICA_FORMAT } from './tables.ts';

/** A replica as it lies on the disk, in one snapshot, while its server may be at work. */
export type ReplicaCopy = {
  /** undefined: before its first sync. */
  readonly site: SiteRow | undefined;
  /** Its rows are those that its digest was made of. */
  readonly isWhole: boolean;
  /** Calls `take` with every row. */
  each(take: (row: ObjectRow) => void): void;
  find(kind: string, name: string): ObjectRow | undefined;
  close(): void;
};

/** Throws as `openSqliteFile` does. Nothing of it is changed. */
export function readCopy(path: string): ReplicaCopy {
  const handle = openSqliteFile(path, { applicationId: REPLICA_APPLICATION_ID, readOnly: true });
  try {
    handle.exec('BEGIN');
    const rows = handle.prepare<unknown[], ObjectRow>('SELECT * FROM objects');
    const named = (deleted: 0 | 1) =>
      ofKind(kind =>
        handle.prepare<unknown[], ObjectRow>(
          `SELECT * FROM objects WHERE kind = ${kind} AND name = ? AND deleted = ${deleted}`,
        ),
      );
    const [live, gone] = [named(0), named(1)];
    const held = handle.prepare<unknown[], { site: string; digest: string }>('SELECT site, digest FROM site').get();
    const digest = createDigest();
    for (const row of rows.iterate()) digest.toggle(row);
    return {
      site: held === undefined ? undefined : (JSON.parse(held.site) as SiteRow),
      isWhole:
        handle.pragma('user_version', { simple: true }) === REPLICA_FORMAT &&
        (held === undefined || held.digest === digest.sealedWith(held.site)),
      each(take) {
        for (const row of rows.iterate()) take(row);
      },
      find: (kind, name) => live(kind).get(name) ?? gone(kind).get(name),
      close: () => handle.close(),
    };
  } catch (error) {
    handle.close();
    throw error;
  }
}
