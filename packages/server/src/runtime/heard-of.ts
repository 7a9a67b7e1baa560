import { compareVersions, isOlder, type Missing, type Version } from '@thinman/protocol';
import type { Logger } from 'pino';
import { NOTHING_MISSING, stillMissing } from '../core/missing.ts';
import type { Heard, Journal } from '../ports.ts';

/** What a Secondary has heard of its Primary's commits, and what of it has not arrived. */
export type HeardOf = {
  /** Across restarts; undefined: nothing. */
  version(): Version | undefined;
  /** `touched`: beyond some version that this server had; `has`: what it has now. */
  hear(committed: Version, touched: Missing | undefined, has: Version): void;
  missing(has: Version): Missing;
};

/** On disk, so that what is missing is known with the Primary gone; on a full disk it is still known in this process. */
export function createHeardOf(journal: Pick<Journal, 'heard' | 'hear'>, log: Pick<Logger, 'error'>): HeardOf {
  let held: Heard | undefined = journal.heard();
  return {
    version: () => held?.version,
    hear(version, touched, has) {
      const order = held === undefined ? 1 : compareVersions(version, held.version);
      // The same again is news only to who still lacks something: a shorter list of it.
      if (order < 0 || (order === 0 && (touched === undefined || !isOlder(has, version)))) return;
      held = { version, missing: touched ?? NOTHING_MISSING };
      try {
        journal.hear(held);
      } catch (error) {
        log.error({ err: error }, 'what the Primary has committed cannot be written down');
      }
    },
    missing: has => (held === undefined ? NOTHING_MISSING : stillMissing(held, has)),
  };
}
