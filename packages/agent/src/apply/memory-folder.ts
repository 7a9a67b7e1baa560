import { chownSync, mkdirSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { removeFile } from '../atomic-file.ts';

/** `statfs` of Linux (linux/magic.h): file systems that are in memory and gone with the power. */
const IN_MEMORY: readonly number[] = [0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */];
/** Nobody but its owner looks into it. */
const MODE = 0o700;

/** A folder for what must not outlive a session, let alone the power. */
export type MemoryFolder = {
  readonly path: string;
  /** The path; throws MemoryFolderUnfit when what is there now is no memory (it was unmounted, say). */
  require(): string;
  /** Removes everything in it. */
  clear(): void;
};

/** The folder cannot be used; `message` says why and what to do. */
export class MemoryFolderUnfit extends Error {
  override readonly name = 'MemoryFolderUnfit';
}

export type MemoryFolderOptions = {
  /** Who may look into it beside the agent: the user under whom clients run. Only root can give it away. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly typeOf?: (path: string) => number;
};

/** Takes `path`, making it if need be, and empties it: what a killed agent left there is nobody's any more. Throws MemoryFolderUnfit. */
export function openMemoryFolder(path: string, options: MemoryFolderOptions = {}): MemoryFolder {
  const { owner, typeOf = typeOfFileSystem } = options;
  const requireMemory = (): string => {
    if (IN_MEMORY.includes(typeOf(path))) return path;
    throw new MemoryFolderUnfit(
      `${path} does not lie in memory, and what a user may do is never written to a disk: choose a folder on a tmpfs, under /run say`,
    );
  };
  const clear = () => {
    for (const name of readdirSync(path)) removeFile(join(path, name));
  };
  make(path);
  requireMemory();
  const { uid, mode } = statSync(path);
  const mayOwn: readonly (number | undefined)[] = [process.getuid?.(), 0, owner?.uid];
  if (!mayOwn.includes(uid) || (mode & 0o077) !== 0) {
    throw new MemoryFolderUnfit(`${path} is open to others: give it to the agent's user and \`chmod 700\` it`);
  }
  clear();
  if (owner !== undefined && uid !== owner.uid) chownSync(path, owner.uid, owner.gid);
  return { path, require: requireMemory, clear };
}

function make(path: string): void {
  try {
    mkdirSync(path, { mode: MODE });
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    throw new MemoryFolderUnfit(
      `${path} cannot be made (${error instanceof Error ? error.message : 'unknown'}): make it on a tmpfs, with mode 0700`,
    );
  }
}

/** Negative where the type does not fit into 31 bits, on some machines. */
function typeOfFileSystem(path: string): number {
  return statfsSync(path).type >>> 0;
}
