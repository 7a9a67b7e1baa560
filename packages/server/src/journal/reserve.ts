import { randomFillSync } from 'node:crypto';
import { statfsSync, statSync, truncateSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { JOURNAL_RESERVE_BYTES } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import type { MakeRoom } from './with-room.ts';

const MIB = 2 ** 20;
/** Given up at a time: what the write-ahead log takes before it is folded in (4 MiB), and as much for the database itself. */
const SLICE_BYTES = 8 * MIB;
/** It grows only where this much is free beyond it: a disk that is just not full must not be filled by its own reserve. */
const MARGIN_BYTES = 64 * MIB;
/** How soon it is made anew; a look costs one system call. */
const LOOK_INTERVAL_MS = 5_000;
/** Nobody waits for it: a server that starts has other things to do with its disk. */
const FIRST_LOOK_MS = 10_000;
const FILE_MODE = 0o600;
const BLOCK_BYTES = 512; // of st_blocks, whatever the file system

/** `used`: a slice was given up. `whole`: it is there (again). `lacking`: it is not, and the disk has no room for it. */
export type ReserveChange = 'used' | 'whole' | 'lacking';

export type Reserve = {
  /** What there is of it. */
  bytes(): number;
  /** It is not whole, and not even a slice of the disk is free. */
  isTight(): boolean;
  /** A slice goes back to the disk, if that can help against this trouble; false: no. */
  readonly giveUp: MakeRoom;
  /** What came before, on a disk that was full at the start, is told at once. */
  onChange(listener: (change: ReserveChange) => void): void;
  stop(): Promise<void>;
};

export type ReserveOptions = {
  readonly clock: Pick<Clock, 'after'>;
  /** It cannot be made; it is tried again. For the log. */
  readonly onTrouble?: (error: unknown) => void;
  readonly wantedBytes?: number;
  readonly sliceBytes?: number;
  readonly marginBytes?: number;
  /** Of the disk that the file at this path is on. */
  readonly freeBytes?: (path: string) => number;
};

/**
 * A file that keeps room on the disk for the journal beside it (`failover.md`, row 18). Its blocks are really taken: it is
 * written, with what no file system can compress. It is made in the background, and anew when there is room.
 */
export function openReserve(path: string, options: ReserveOptions): Reserve {
  const { clock, onTrouble = () => {} } = options;
  const listeners = new Set<(change: ReserveChange) => void>();
  const { wantedBytes = JOURNAL_RESERVE_BYTES, sliceBytes = SLICE_BYTES, marginBytes = MARGIN_BYTES } = options;
  const free = options.freeBytes ?? freeBytes;
  let held = heldBytes(path);
  let filling: Promise<void> | undefined;
  let stopped = false;
  // Nothing is told of a reserve that is whole at the start, or that will be.
  let told: ReserveChange = hasRoomFor(wantedBytes - held) ? 'whole' : 'lacking';
  let cancel = clock.after(FIRST_LOOK_MS, look);

  function tell(change: ReserveChange): void {
    told = change;
    for (const listener of listeners) listener(change);
  }

  /** Also true of nothing at all, on a full disk. */
  function hasRoomFor(bytes: number): boolean {
    return bytes <= 0 || free(path) >= bytes + marginBytes;
  }

  function look(): void {
    // Somebody who made room by hand may have deleted it.
    if (statSync(path, { throwIfNoEntry: false }) === undefined) held = 0;
    const lacks = wantedBytes - held;
    const hasRoom = hasRoomFor(lacks);
    if (lacks > 0 && hasRoom) {
      filling = fill().finally(() => {
        filling = undefined;
        lookLater();
      });
      return;
    }
    if (!hasRoom && told === 'whole') tell('lacking');
    lookLater();
  }

  function lookLater(): void {
    if (!stopped) cancel = clock.after(LOOK_INTERVAL_MS, look);
  }

  async function fill(): Promise<void> {
    let file: FileHandle | undefined;
    try {
      const block = randomFillSync(Buffer.allocUnsafe(Math.min(MIB, wantedBytes)));
      // A hole in it (a copied folder) is no room: what cannot be trusted is written again.
      file = await open(path, held === 0 ? 'w' : 'r+', FILE_MODE);
      while (held < wantedBytes && !stopped) {
        const at = held;
        const { bytesWritten } = await file.write(block, 0, Math.min(block.length, wantedBytes - at), at);
        // Given up meanwhile: the disk is full.
        if (held !== at) return;
        held += bytesWritten;
        // In small parts: others' commits on this disk wait for what is flushed with them.
        if (held % sliceBytes === 0) await file.datasync();
      }
      if (held >= wantedBytes) tell('whole');
    } catch (error) {
      onTrouble(error);
    } finally {
      await file?.close();
    }
  }

  return {
    bytes: () => held,
    isTight: () => told !== 'whole' && free(path) < sliceBytes,
    giveUp(trouble) {
      if (held === 0 || (trouble !== 'full' && !(trouble === 'unreadable' && free(path) < sliceBytes))) return false;
      const left = Math.max(0, held - sliceBytes);
      try {
        truncateSync(path, left);
      } catch (error) {
        onTrouble(error);
        return false;
      }
      held = left;
      tell('used');
      return true;
    },
    onChange(listener) {
      listeners.add(listener);
      if (told !== 'whole') listener(told);
    },
    async stop() {
      stopped = true;
      cancel();
      await filling;
    },
  };
}

/** What the file really has of the disk; one with holes counts as none. */
function heldBytes(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  return found.blocks * BLOCK_BYTES >= found.size ? found.size : 0;
}

/** For this process's user: what the file system keeps for root is not counted. */
function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return 0;
  }
}
