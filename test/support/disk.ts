import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A disk of its own, small, that can be full or read-only while programs work on it. Root alone can have one. */
export type SmallDisk = Disposable & {
  /** Where it is mounted. */
  readonly folder: string;
  /** Takes all room that is left, but for some bytes. */
  fill(leaveBytes?: number): void;
  /** Gives it back. */
  free(): void;
  /** As when the kernel has met an error on the disk: for programs that have files open there, too. There is no way back. */
  fail(): void;
};

export const NO_DISK =
  '!!! NOT RUN: a disk of its own may not be mounted here (root, mkfs.ext4 and a loop device are needed)';

const BLOCK_BYTES = 4096;
/** Room for the files of an agent, and a journal of ext4, without which `fail` would do nothing. */
const DISK_BYTES = 16 * 1024 * 1024;

/** Makes `NAME.img` and mounts it as the folder `NAME` in `parent`. undefined: that is not possible here. */
export function mountSmallDisk(parent: string, name: string, bytes = DISK_BYTES): SmallDisk | undefined {
  const image = join(parent, `${name}.img`);
  const folder = join(parent, name);
  // Where mkfs has made a folder: no program takes it for somebody's file among its own.
  const ballast = join(folder, 'lost+found', 'ballast');
  mkdirSync(folder);
  const file = openSync(image, 'w');
  ftruncateSync(file, bytes);
  closeSync(file);
  const mount = () => succeeds('mount', '-o', 'loop', image, folder);
  if (!succeeds('mkfs.ext4', '-q', '-m', '0', image) || !mount()) return undefined;

  let mounted = true;
  const unmount = () => {
    // Lazily: whoever was killed a moment ago may still hold a file.
    if (mounted && !succeeds('umount', folder)) succeeds('umount', '-l', folder);
    mounted = false;
  };
  process.once('exit', unmount);
  const must = (done: boolean, what: string) => {
    if (!done) throw new Error(`the disk cannot be ${what}`);
  };
  return {
    folder,
    fill(leaveBytes = 0) {
      const into = openSync(ballast, 'a');
      try {
        // The last bytes one by one: what is left is not even room for a page.
        for (const size of [BLOCK_BYTES * 64, BLOCK_BYTES, 1]) fillBy(into, size);
        if (leaveBytes > 0) ftruncateSync(into, fstatSync(into).size - leaveBytes);
        fsyncSync(into);
      } finally {
        closeSync(into);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    fail: () => must(succeeds('mount', '-o', 'remount,abort', folder), 'made to fail'),
    [Symbol.dispose]() {
      unmount();
      process.off('exit', unmount);
    },
  };
}

/** Whether there can be such a disk here. */
export function canMountDisk(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-disk-'));
  const disk = mountSmallDisk(folder, 'disk');
  disk?.[Symbol.dispose]();
  rmSync(folder, { recursive: true });
  return disk !== undefined;
}

function fillBy(file: number, size: number): void {
  const block = Buffer.alloc(size);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

const succeeds = (program: string, ...args: string[]) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
