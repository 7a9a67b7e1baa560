import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Agent } from './agent-commands.ts';

/** One row of a device's store, as it lies there. */
export type DeviceRow = { readonly kind: string; readonly key: string; readonly ref: string; readonly blob: Buffer };

/** What a device holds on its disk. A running agent has its file for itself, so a copy of it is read. */
export function deviceRows({ data }: Agent): DeviceRow[] {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-rows-'));
  try {
    for (const file of ['cache.db', 'cache.db-wal']) {
      if (existsSync(join(data, file))) copyFileSync(join(data, file), join(folder, file));
    }
    const copy = new Database(join(folder, 'cache.db'));
    const rows = copy.prepare<[], DeviceRow>('SELECT kind, key, ref, blob FROM fact ORDER BY kind, key').all();
    copy.close();
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
