import { existsSync, lstatSync, mkdirSync, type Stats, statSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { agentPaths } from '../config.ts';

/** Code that V8 has compiled is taken by whoever runs it without another look: only its own user may write there. */
const COMPILED_DIR_MODE = 0o700;

/**
 * What was compiled at an earlier start of this device is used again, so that people wait less after a power cut (ADR 0079). Only where a device
 * lives: in any other folder nothing is made. Never fails: what cannot be read or kept is compiled anew.
 */
export function reuseCompiled(dataDir: string): void {
  const { dataDir: folder, identityDir, compiledDir } = agentPaths(dataDir);
  if (!existsSync(identityDir) || !isOurs(statSync(folder))) return;
  try {
    mkdirSync(compiledDir, { mode: COMPILED_DIR_MODE });
  } catch {
    // It is there, or cannot be.
  }
  if (isOurs(lstatSync(compiledDir, { throwIfNoEntry: false }))) enableCompileCache(compiledDir);
}

const WRITABLE_BY_OTHERS = 0o022;

/** An agent that runs as root in the folder of another user would else run what that user has written. */
function isOurs(found: Stats | undefined): boolean {
  if (found?.isDirectory() !== true || (found.mode & WRITABLE_BY_OTHERS) !== 0) return false;
  return process.geteuid === undefined || found.uid === process.geteuid();
}

/** For the next start, which need not come after an orderly end of this one. */
export function keepCompiled(): void {
  setImmediate(flushCompileCache);
}
