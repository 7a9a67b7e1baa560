import type { Logger } from 'pino';
import type { SyncCondition } from '../replica/sync.ts';

/** A line for each change of what the source of record gives. */
export function logSyncCondition(log: Pick<Logger, 'info' | 'warn'>, { forked, error }: SyncCondition): void {
  if (error !== undefined) {
    const about = { code: error.code, detail: error.message };
    if (error.code === 'replica_failed') log.warn(about, 'this server cannot take what its database says');
    else log.warn(about, 'the database cannot be used');
  } else if (!forked) log.info('the database answers');
}
