import type { ServerReport } from '@thinman/protocol';

/** One that refuses does answer: its own words (`databaseError`) say what to do. */
export function databaseInWords({ database, databaseError }: Pick<ServerReport, 'database' | 'databaseError'>): string {
  if (databaseError === undefined) return database.reachable ? 'answers' : 'does not answer';
  return databaseError.code === 'unreachable' ? 'does not answer' : 'cannot be used';
}
