import { type DataFolder, dataFolder, readConfig, type ServerConfig } from '../config.ts';
import type { RecordDialect } from '../record/dialects/dialect.ts';
import { lockFolder } from '../record/dialects/folder-lock.ts';
import { dialectFor } from '../record/source-of-record.ts';
import { systemClock } from '../runtime/clock.ts';

/** A data folder that is looked at from outside: by a process of its own, so that no login waits for it. */
export type LookedAt = {
  readonly folder: DataFolder;
  readonly config: ServerConfig;
  /** The server runs meanwhile; else nobody can start it before this look is over. */
  readonly isRunning: boolean;
  /** Connections of its own, which only read. */
  readonly record: RecordDialect;
};

/** Throws ConfigError where no server is. */
export async function besideServer<T>(dataDir: string, look: (at: LookedAt) => Promise<T>): Promise<T> {
  const folder = dataFolder(dataDir);
  const config = readConfig(folder);
  const release = lockFolder(folder.path);
  const record = dialectFor(config.database, {
    ...{ dataDir: folder.path, siteId: config.siteId, readOnly: true, clock: systemClock },
  });
  try {
    return await look({ folder, config, isRunning: release === undefined, record });
  } finally {
    await record.close();
    release?.();
  }
}
