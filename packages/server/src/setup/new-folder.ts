import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { newNameProblem } from '@thinman/protocol';
import { ConfigError, type DataFolder, hasConfig, readConfig } from '../config.ts';
import { makePrivateFolder } from '../identity/key-files.ts';
import { LOCK_FILE, lockFolder } from '../record/dialects/folder-lock.ts';

/** Throws ConfigError. */
export function checkServerName(name: string): string {
  const problem = newNameProblem(name);
  if (problem !== undefined) throw new ConfigError(`--name: ${problem}`);
  return name;
}

/**
 * Runs `make` in a data folder that is empty but for `mayHold`, locked meanwhile. What a failed `make` left there is
 * removed, except `mayHold`; the folder too, if it was not there before. Throws ConfigError when the folder is a server's already, not empty, or in use.
 */
export async function withNewFolder<T>(
  folder: DataFolder,
  mayHold: readonly string[],
  make: () => Promise<T>,
): Promise<T> {
  const wasThere = existsSync(folder.path);
  openFolder(folder);
  const release = lockFolder(folder.path);
  if (release === undefined) throw new ConfigError(`${folder.path} is in use by another process; stop that one first`);
  const allowed = [LOCK_FILE, ...mayHold];
  let failed = true;
  try {
    refuseUnlessEmpty(folder, allowed);
    const made = await make();
    failed = false;
    return made;
  } catch (error) {
    if (!(error instanceof FolderNotEmpty) && !hasConfig(folder)) clear(folder, allowed);
    throw error;
  } finally {
    release();
    if (failed && !wasThere) removeEmpty(folder.path);
  }
}

/** The disk is full, or read-only: another folder on it would fare no better. */
const NO_FAULT_OF_THE_PATH: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS'];

class FolderNotEmpty extends ConfigError {}

function openFolder(folder: DataFolder): void {
  try {
    makePrivateFolder(folder.path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (NO_FAULT_OF_THE_PATH.includes(code)) throw error;
    throw new ConfigError(`${folder.path} cannot be used as a data folder (${code}); choose one that you may write to`);
  }
}

function refuseUnlessEmpty(folder: DataFolder, allowed: readonly string[]): void {
  if (hasConfig(folder)) {
    const { name, siteId } = readConfig(folder);
    throw new FolderNotEmpty(
      `${folder.path} is the data folder of the server ${name} of site ${siteId} already; choose another one`,
    );
  }
  const other = readdirSync(folder.path).find(entry => !allowed.includes(entry));
  if (other === undefined) return;
  throw new FolderNotEmpty(`${folder.path} is not empty (${other}); choose an empty folder`);
}

function clear(folder: DataFolder, allowed: readonly string[]): void {
  for (const entry of readdirSync(folder.path)) {
    if (!allowed.includes(entry)) rmSync(join(folder.path, entry), { recursive: true, force: true });
  }
}

/** A folder that holds nothing but its lock. */
function removeEmpty(path: string): void {
  if (readdirSync(path).some(entry => entry !== LOCK_FILE)) return;
  rmSync(path, { recursive: true, force: true });
}
