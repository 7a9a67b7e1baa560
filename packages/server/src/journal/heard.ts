import { isOlder, Missing, parseJson } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { Heard } from '../ports.ts';

/** Written by this server itself; above what `Missing` can be. */
const MAX_CHARS = 1024 * 1024;

/** What the Primary was heard to have committed: one row. */
export function prepareHeard(handle: Database.Database) {
  const read = handle.prepare<unknown[], { epoch: number; generation: number; missing: string }>(
    'SELECT epoch, generation, missing FROM heard',
  );
  const write = handle.prepare('INSERT OR REPLACE INTO heard (id, epoch, generation, missing) VALUES (1, ?, ?, ?)');

  const heard = (): Heard | undefined => {
    const row = read.get();
    if (row === undefined) return undefined;
    const missing = parseJson(Missing, row.missing, MAX_CHARS);
    const { epoch, generation } = row;
    return { version: { epoch, generation }, missing: missing.ok ? missing.value : { count: 0, objects: [] } };
  };
  return {
    heard,
    /** What was heard once is not unheard: an older version changes nothing. */
    hear({ version, missing }: Heard): void {
      const held = heard();
      if (held !== undefined && isOlder(version, held.version)) return;
      write.run(version.epoch, version.generation, JSON.stringify(missing));
    },
  };
}
