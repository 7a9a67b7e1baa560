import { existsSync, mkdirSync, statSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { agentPaths } from '../config.ts';

/** Code that V8 has compiled is taken by whoever runs it without another look: only its own user may write there. */
const COMPILED_DIR_MODE = 0o700;

/**
 * What was compiled at an earlier start of this device is used again, so that people wait less after a power cut (ADR 0079). Only where a device
 * lives: in any other folder nothing is made. Never fails: what cannot be read or kept is compiled anew.
 */
export function reuseCompiled(dataDir: string): void {
  const { identityDir, compiledDir } = agentPaths(dataDir);
  if (!existsSync(identityDir)) return;
  try {
    mkdirSync(compiledDir, { mode: COMPILED_DIR_MODE });
  } catch {
    // It is there, or cannot be.
  }
  if (statSync(compiledDir, { throwIfNoEntry: false })?.isDirectory() === true) enableCompileCache(compiledDir);
}

/** For the next start, which need not come after an orderly end of this one. */
export function keepCompiled(): void {
  setImmediate(flushCompileCache);
}
