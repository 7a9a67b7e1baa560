import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  type Stats,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type FileOwner, removeFile } from '../atomic-file.ts';

/** `statfs` of Linux (linux/magic.h): file systems that are in memory and gone with the power. */
const IN_MEMORY: readonly number[] = [0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */];
/** Nobody but its owner looks into it. */
const MODE = 0o700;
/** Whoever knows the name of a file in it comes to it, and makes none: the agent is root there, and trusts what lies in it. */
const MODE_FOR_CLIENTS = 0o710;
const OPEN_TO_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** A folder for what must not outlive a session, let alone the power. */
export type MemoryFolder = {
  readonly path: string;
  /** Whose the files in it are, if not the agent's own. */
  readonly owner?: FileOwner | undefined;
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
  /** The user under whom clients run: files in it are theirs, the folder is not. Only root has one. */
  readonly owner?: FileOwner | undefined;
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
  const others = owner?.uid === process.getuid?.() ? undefined : owner;
  if (others !== undefined) requireSafeParent(path);
  takeFolder(path, others);
  clear();
  return { path, owner: others, require: requireMemory, clear };
}

/** Checked and changed by its handle, which no link can be put in the place of. */
function takeFolder(path: string, owner: FileOwner | undefined): void {
  const handle = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const stats = fstatSync(handle);
    if (!isOurs(stats, owner)) {
      throw new MemoryFolderUnfit(`${path} is open to others: give it to the agent's user and \`chmod 700\` it`);
    }
    if (owner !== undefined) fchownSync(handle, process.getuid?.() ?? 0, owner.gid);
    if (owner !== undefined || isForClients(stats)) fchmodSync(handle, owner === undefined ? MODE : MODE_FOR_CLIENTS);
  } finally {
    closeSync(handle);
  }
}

/** Of the agent's user or root, and closed to others; as an agent has left it for its clients; as earlier ones gave it to them. */
function isOurs(stats: Stats, owner: FileOwner | undefined): boolean {
  const mayOwn: readonly (number | undefined)[] = [process.getuid?.(), 0, owner?.uid];
  return mayOwn.includes(stats.uid) && (isForClients(stats) || (stats.mode & OPEN_TO_OTHERS) === 0);
}

const isForClients = ({ mode }: Stats) => (mode & 0o777) === MODE_FOR_CLIENTS;

/** Who may rename the folder would put another one, or a link, in its place. */
function requireSafeParent(path: string): void {
  const { uid, mode } = statSync(dirname(resolve(path)));
  const isWritable = (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0;
  if ((uid === 0 || uid === process.getuid?.()) && !isWritable && !lstatSync(path).isSymbolicLink()) return;
  throw new MemoryFolderUnfit(
    `${path} could be replaced by others: choose a folder in one that root alone writes to, under /run say`,
  );
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
