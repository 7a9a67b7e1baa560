import type { ServerRole } from '@thinman/protocol';
import type { Logger } from 'pino';

/** Who and what counts, as this server sees it. */
export type TurningPoint = {
  readonly role: ServerRole;
  /** The newest that it knows of. */
  readonly epoch: number;
  /** Nothing is written into its database. */
  readonly forked: boolean;
  /** A Primary that takes no administrative writes, since it sees nobody. */
  readonly isolated: boolean;
};

/** One line of the log for each of them that has changed since the last look: what an operator must find later. */
export function logTurningPoints(
  now: () => TurningPoint,
  log: Pick<Logger, 'info' | 'warn' | 'error'>,
): { look(): void } {
  let before = now();
  return {
    look() {
      const { role, epoch, forked, isolated } = now();
      const was = before;
      before = { role, epoch, forked, isolated };
      if (epoch !== was.epoch)
        log.warn(
          { epoch, before: was.epoch },
          'a new epoch of the site: a server was promoted, or a database accepted',
        );
      if (role !== was.role) {
        const words = role === 'primary' ? 'this server is the Primary now' : 'this server is the Primary no more';
        log.warn({ role, before: was.role, epoch }, words);
      }
      if (forked !== was.forked) {
        if (forked) log.error({ epoch }, 'the database lacks what was seen of it: nothing is written into it');
        else log.info({ epoch }, 'the database lacks nothing any more');
      }
      if (isolated === was.isolated) return;
      if (isolated) log.warn('this Primary sees nobody: it takes no administrative writes');
      else log.info('administrative writes are taken again, or elsewhere: this server is isolated no more');
    },
  };
}
