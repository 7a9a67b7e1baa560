import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { AgentPaths } from '../config.ts';

/** Of a file system's own. */
const LOST_AND_FOUND = 'lost+found';
/** What a server's data folder has, whole or half made. */
const SERVERS_FILES = ['server.json', join('identity', 'wrapping.key')];

/**
 * Why no device is made in this folder, in words that go on from its path; undefined: it is new, empty, or holds what an agent
 * has left. Looks, and makes nothing: what cannot be read is told by who makes the folder.
 */
export function foreignFolder({ dataDir, ...own }: AgentPaths): string | undefined {
  if (SERVERS_FILES.some(file => existsSync(join(dataDir, file)))) return 'is the data folder of a server';
  const cache = basename(own.cacheFile);
  const known = [...Object.values(own).map(path => basename(path)), LOST_AND_FOUND];
  // Beside the cache lie its log, and what was set aside.
  const foreign = entriesOf(dataDir).find(entry => !known.includes(entry) && !entry.startsWith(cache));
  return foreign === undefined ? undefined : `holds what is no agent's (${foreign})`;
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
