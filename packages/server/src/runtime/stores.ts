import type { ServerRole } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { DataFolder, ServerConfig } from '../config.ts';
import { openJournal } from '../journal/journal.ts';
import { openReserve, type Reserve } from '../journal/reserve.ts';
import { withRoom } from '../journal/with-room.ts';
import type { Clock, Journal, Replica, SourceOfRecord } from '../ports.ts';
import type { SetAside } from '../record/dialects/set-aside.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import type { SchemaNews } from '../record/upkeep.ts';
import { openReplica } from '../replica/replica.ts';
import { tellFindings } from './findings.ts';
import { createRoleRecord, type RoleRecord } from './role-record.ts';

export type Stores = {
  readonly record: RoleRecord;
  /** One more handle: on this database or another. Default: to read. */
  readonly openRecord: (url: string, readOnly?: boolean) => SourceOfRecord;
  readonly replica: Replica;
  readonly journal: Journal;
  readonly reserve: Reserve;
  /** In the order in which they rest on each other. */
  close(): Promise<void>;
};

/** Opens what a server stands on. The database behind it may be away; its own two files may not. */
export function openStores(
  folder: DataFolder,
  config: ServerConfig,
  options: {
    readonly role: () => ServerRole;
    /** Its URL; a promotion may change it. */
    readonly database: () => string;
    readonly acceptWeakDurability: boolean;
    readonly journalLimitBytes: () => number;
    readonly clock: Clock;
    readonly log: Logger;
  },
): Stores {
  const { clock, log, role, acceptWeakDurability } = options;
  const reserve = openReserve(folder.journalReserve, {
    clock,
    onTrouble: error => log.warn({ err: error }, 'the room that is kept for the journal cannot be made; tried again'),
  });
  const journal = openJournal(folder.journal, {
    clock,
    owner: { siteId: config.siteId, instance: config.instance },
    limitBytes: options.journalLimitBytes,
    makeRoom: reserve.giveUp,
    isTight: reserve.isTight,
  });
  if (journal.setAside !== undefined) log.error({ journal: journal.setAside }, setAsideWords(journal.setAside));
  // A server that starts on a full disk needs some for its replica, or it has no use for the rest.
  const replica = withRoom(reserve.giveUp, () =>
    openReplica(folder.replica, {
      ...{ clock, siteId: config.siteId },
      onRebuilt: ({ path }) =>
        log.warn({ path }, 'the replica turned out damaged and was set aside; it is whole again'),
    }),
  );
  const aside = replica.setAside();
  if (aside !== undefined) log.warn({ replica: aside }, 'the replica was unfit and set aside; it is filled anew');
  const onFinding = tellFindings(log);
  const openRecord = (url: string, readOnly = true) =>
    openSourceOfRecord(url, {
      ...{ dataDir: folder.path, readOnly, acceptWeakDurability, clock },
      ...{ instance: config.instance, siteId: config.siteId },
      onSchema: news => tellSchema(log, news),
      onFinding,
    });
  const record = createRoleRecord(readOnly => openRecord(options.database(), readOnly), role);
  return {
    ...{ record, replica, journal, reserve, openRecord },
    async close() {
      await reserve.stop();
      await record.close();
      replica.close();
      journal.close();
    },
  };
}

function tellSchema(log: Logger, news: SchemaNews): void {
  switch (news.kind) {
    case 'migrated':
      return log.info({ from: news.from, to: news.to }, 'the schema of the database was brought up');
    case 'older':
      return log.warn(news, 'the database has an older schema: it is brought up when the Primary runs this version');
    case 'newer':
      return log.warn(news, 'the database has a newer schema: update this server');
  }
}

function setAsideWords({ why, path }: SetAside): string {
  return why === 'other_site' || why === 'other_server'
    ? `the journal is that of another ${why === 'other_site' ? 'site' : 'server'}; its events wait in ${path} and are not handed on`
    : 'the journal was damaged and set aside';
}
