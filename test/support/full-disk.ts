// Servers whose disk is full (failover.md, row 18): what they say of it, and how to get there.
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { JOURNAL_RESERVE_BYTES, ServerReport } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { mountSmallDisk, type SmallDisk } from './disk.ts';
import { askSocket } from './local-socket.ts';
import type { Server } from './server-commands.ts';
import { waitFor } from './wait.ts';

/** Four times the reserve: it is made only where as much again is left, and the files of a server need some room as well. */
const SERVER_DISK_BYTES = 4 * JOURNAL_RESERVE_BYTES;

export async function reportOf(server: Server): Promise<ServerReport> {
  const report = await askSocket(join(server.data, 'admin.sock'), '/v1/admin/status', ServerReport);
  assert.ok(report !== undefined, `${server.name} does not answer`);
  return report;
}

export const untilReport = (server: Server, what: string, wanted: (report: ServerReport) => boolean) =>
  waitFor(`${server.name} ${what}`, async () => {
    const report = await reportOf(server);
    return wanted(report) ? report : undefined;
  });

export const untilReserved = (server: Server) =>
  untilReport(server, 'to have its reserve', ({ journal }) => journal?.reserveBytes === JOURNAL_RESERVE_BYTES);

/** Puts the data folder of the server `name`, which is to be made in `folder`, on a disk of its own. undefined: not possible here. */
export function ownDisk(folder: string, name: string): SmallDisk | undefined {
  const disk = mountSmallDisk(folder, `disk-of-${name}`, SERVER_DISK_BYTES);
  if (disk === undefined) return undefined;
  // A new disk holds `lost+found`: the data folder lies inside it.
  mkdirSync(join(disk.folder, 'data'));
  symlinkSync(join(disk.folder, 'data'), join(folder, name));
  return disk;
}

/** Folds the write-ahead log in, so that the next commit needs room. */
export function foldIn(file: string): void {
  const handle = new Database(file);
  handle.pragma('wal_checkpoint(TRUNCATE)');
  handle.close();
}

/** Something else takes all room of the disk, what the server's journal had in its log too. */
export function fillUp(server: Server, disk: SmallDisk): void {
  foldIn(join(server.data, 'journal.db'));
  disk.fill();
}
