import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import type { RecordLab } from '../contract/source-of-record.ts';
import { manualClock } from './manual-clock.ts';

const SUFFIXES = ['', '-wal', '-shm'];

/** An embedded source of record in a folder of its own. */
export function sqliteLab(): RecordLab & { readonly dir: string; readonly path: string } {
  const dir = mkdtempSync(join(tmpdir(), 'thinman-record-'));
  const path = join(dir, 'site.db');
  const away = join(dir, 'away.db');
  const backup = join(dir, 'backup.db');
  const clock = manualClock();

  function move(from: string, to: string): void {
    for (const suffix of SUFFIXES) if (existsSync(from + suffix)) renameSync(from + suffix, to + suffix);
  }
  function onFile<T>(use: (handle: Database.Database) => T): T {
    const handle = new Database(path, { fileMustExist: true });
    try {
      return use(handle);
    } finally {
      handle.close();
    }
  }

  return {
    dir,
    path,
    open: options => openSourceOfRecord('sqlite:site.db', { ...options, dataDir: dir, clock }),
    takeAway: () => move(path, away),
    bringBack: () => move(away, path),
    backUp: () => onFile(handle => void handle.exec(`VACUUM INTO '${backup}'`)),
    restore() {
      for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
      copyFileSync(backup, path);
    },
    alterSite: values =>
      onFile(handle => {
        for (const [column, value] of Object.entries(values)) {
          handle.prepare(`UPDATE site SET "${column}" = ?`).run(value);
        }
      }),
    quarantined: () =>
      onFile(handle => handle.prepare<[], string>('SELECT eventId FROM event_quarantine').pluck().all()),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
