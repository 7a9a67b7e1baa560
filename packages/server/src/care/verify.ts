import { setTimeout as delay } from 'node:timers/promises';
import { troubleOf } from '../record/dialects/sqlite-file.ts';
import { type ReplicaCopy, readCopy } from '../replica/read-copy.ts';
import { besideServer, type LookedAt } from './beside-server.ts';
import { type Comparison, compareCopies } from './compare-copies.ts';

export type Verification = Comparison & {
  readonly server: string;
  /** The server ran meanwhile. */
  readonly running: boolean;
};

/** A running server brings its replica up every half second: where somebody commits all the time, so often is enough. */
const TRIES = 5;
const TRY_AGAIN_MS = 600;

/**
 * Compares the replica of a server with its source of record, both in one snapshot, while it runs or not, on any server. Throws
 * ConfigError, DatabaseUnavailable.
 */
export function verifySite(dataDir: string): Promise<Verification> {
  return besideServer(dataDir, async at => {
    let comparison = await compareOnce(at);
    for (let tried = 1; at.isRunning && !comparison.isSameCommit && tried < TRIES; tried++) {
      await delay(TRY_AGAIN_MS);
      comparison = await compareOnce(at);
    }
    return { server: at.config.name, running: at.isRunning, ...comparison };
  });
}

async function compareOnce({ folder, record }: LookedAt): Promise<Comparison> {
  const copy = openCopy(folder.replica);
  try {
    return await compareCopies(record, copy);
  } finally {
    copy.close();
  }
}

const NO_COPY: Omit<ReplicaCopy, 'isWhole'> = {
  site: undefined,
  each: () => {},
  find: () => undefined,
  close: () => {},
};

/** One that is not there, or is no database any more, is a finding, and the source of record is looked at all the same. */
function openCopy(path: string): ReplicaCopy {
  try {
    return readCopy(path);
  } catch (error) {
    switch (troubleOf(error)) {
      case 'missing':
      case 'empty':
        return { ...NO_COPY, isWhole: true };
      case 'damaged':
      case 'foreign':
        return { ...NO_COPY, isWhole: false };
      default:
        throw error;
    }
  }
}
