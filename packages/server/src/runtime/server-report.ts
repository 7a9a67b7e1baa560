import type {
  DirectoryStanding,
  EventPath,
  ExportStatus,
  JournalStatus,
  Missing,
  SecondaryStatus,
  ServerReport,
  ServerStatus,
} from '@thinman/protocol';
import type { ServingReason } from '../core/serving-state.ts';
import type { Reserve } from '../journal/reserve.ts';
import type { Clock, Journal } from '../ports.ts';
import { SCHEMA } from '../record/schema.ts';
import type { SyncError } from '../replica/sync.ts';

export type ReportedParts = {
  readonly why: ServingReason | null;
  readonly databaseError: SyncError | undefined;
  readonly missing: Missing;
  readonly journal: JournalStatus;
  /** A Secondary's: the Primary, and whether it is seen. */
  readonly link: { readonly server: string; readonly connected: boolean } | undefined;
  /** A Primary's. */
  readonly secondaries: readonly SecondaryStatus[] | undefined;
  readonly directories: readonly DirectoryStanding[];
  /** A former Primary's. */
  readonly exported: ExportStatus | undefined;
  readonly isolated: boolean;
};

/** What a server tells its administrators: its public status, and what names objects. */
export function serverReport(status: ServerStatus, parts: ReportedParts): ServerReport {
  const { why, databaseError, missing, journal, link, secondaries, directories, exported, isolated } = parts;
  return {
    ...status,
    writesSchema: SCHEMA,
    ...(why !== null && { why }),
    ...(databaseError !== undefined && { databaseError: { code: databaseError.code, message: databaseError.message } }),
    missing,
    journal,
    ...(link !== undefined && { link }),
    ...(secondaries !== undefined && { secondaries: [...secondaries] }),
    ...(directories.length > 0 && { directories: [...directories] }),
    ...(exported !== undefined && { exported }),
    ...(isolated && { isolated }),
  };
}

export function journalStatus(
  path: EventPath,
  journal: Pick<Journal, 'load' | 'footprint'>,
  reserve: Pick<Reserve, 'bytes'>,
  clock: Pick<Clock, 'nowMs'>,
): JournalStatus {
  const { fileBytes, oldestPendingAtMs } = journal.footprint();
  return {
    path,
    bytes: fileBytes,
    ...journal.load(),
    oldestPendingMs: oldestPendingAtMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestPendingAtMs),
    reserveBytes: reserve.bytes(),
  };
}
