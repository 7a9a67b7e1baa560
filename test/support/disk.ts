import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A disk of its own, small, that can be full or read-only while programs work on it. Root alone can have one. */
export type SmallDisk = Disposable & {
  /** Where it is mounted. */
  readonly folder: string;
  /** Takes all room that is left. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  /** As when the kernel has met an error on the disk: for programs that have files open there, too. There is no way back. */
  fail(): void;
  /** Mounts it again, read-only or not. Nothing may have a file open on it. */
  remount(how: 'ro' | 'rw'): void;
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
  const ballast = join(folder, 'ballast');
  mkdirSync(folder);
  const file = openSync(image, 'w');
  ftruncateSync(file, bytes);
  closeSync(file);
  const mount = (...options: string[]) => succeeds('mount', '-o', ['loop', ...options].join(), image, folder);
  if (!succeeds('mkfs.ext4', '-q', '-m', '0', image) || !mount()) return undefined;

  const unmount = () => {
    // Lazily: whoever was killed a moment ago may still hold a file.
    if (!succeeds('umount', folder)) succeeds('umount', '-l', folder);
  };
  process.once('exit', unmount);
  const must = (done: boolean, what: string) => {
    if (!done) throw new Error(`the disk cannot be ${what}`);
  };
  return {
    folder,
    fill() {
      const into = openSync(ballast, 'a');
      try {
        // The last bytes one by one: what is left is not even room for a page.
        for (const size of [BLOCK_BYTES * 64, BLOCK_BYTES, 1]) fillBy(into, size);
      } finally {
        closeSync(into);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    fail: () => must(succeeds('mount', '-o', 'remount,abort', folder), 'made to fail'),
    remount(how) {
      must(succeeds('umount', folder), 'unmounted');
      must(mount(how), 'mounted again');
    },
    [Symbol.dispose]() {
      unmount();
      process.off('exit', unmount);
    },
  };
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
