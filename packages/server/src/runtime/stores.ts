import type { Logger } from 'pino';
import type { DataFolder, ServerConfig } from '../config.ts';
import { openJournal } from '../journal/journal.ts';
import type { Clock, Journal, Replica, SourceOfRecord } from '../ports.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { openReplica } from '../replica/replica.ts';

export type Stores = {
  readonly record: SourceOfRecord;
  readonly replica: Replica;
  readonly journal: Journal;
  /** In the order in which they rest on each other. */
  close(): Promise<void>;
};

/** Opens what a server stands on. The database behind it may be away; its own two files may not. */
export function openStores(
  folder: DataFolder,
  config: ServerConfig,
  options: {
    readonly readOnly: boolean;
    readonly acceptWeakDurability: boolean;
    readonly clock: Clock;
    readonly log: Logger;
  },
): Stores {
  const { clock, log, readOnly, acceptWeakDurability } = options;
  const journal = openJournal(folder.journal, { clock });
  if (journal.setAside !== undefined) log.error({ journal: journal.setAside }, 'the journal was damaged and set aside');
  const replica = openReplica(folder.replica, { clock, siteId: config.siteId });
  const aside = replica.setAside();
  if (aside !== undefined) log.warn({ replica: aside }, 'the replica was unfit and set aside; it is filled anew');
  const record = openSourceOfRecord(config.database, {
    ...{ dataDir: folder.path, readOnly, acceptWeakDurability, clock },
    onFinding: (where, { what, mend }) =>
      log.warn({ database: where, sql: mend }, `something to mend in the database: ${what}`),
  });
  return {
    ...{ record, replica, journal },
    async close() {
      await record.close();
      replica.close();
      journal.close();
    },
  };
}
