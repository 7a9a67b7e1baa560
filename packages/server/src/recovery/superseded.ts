import type { StatementAnswer } from '@thinman/protocol';
import type { Logger } from 'pino';
import { describeLosses, summarise } from '../core/losses.ts';
import type { Clock, Replica } from '../ports.ts';
import { findTouched } from './find-losses.ts';
import { hasForkFile, writeForkFile } from './fork-file.ts';

/**
 * What a Primary does that hears of the promotion of another one: what it has committed beyond the point that the new epoch
 * rests on is exported, never merged, never dropped silently (`failover.md`, invariant 5).
 */
export function createLeaving(options: {
  readonly replica: Pick<Replica, 'position' | 'page'>;
  readonly folder: string;
  readonly tell: (type: string, data: Record<string, unknown>) => Promise<unknown>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}): { leave(restsOn: NonNullable<StatementAnswer['restsOn']>): Promise<void> } {
  const { replica, folder, tell, clock, log } = options;
  let isDone = false;
  let busy = false;

  async function exportPast(generation: number): Promise<void> {
    const position = replica.position();
    if (position === undefined) return;
    const losses = hasForkFile(folder, position) ? [] : await findTouched(replica, generation);
    if (losses.length > 0) {
      const file = writeForkFile(folder, position, losses, clock);
      log.warn(
        { file },
        `what this server has committed and the new Primary has not was exported: ${describeLosses(summarise(losses))}`,
      );
      await tell('site.superseded', { ...position.version, lost: losses.length, file });
    }
    isDone = true;
  }

  return {
    async leave({ generation }) {
      if (isDone || busy) return;
      busy = true;
      try {
        await exportPast(generation);
      } catch (error) {
        log.error({ err: error }, 'what this server has committed could not be exported; tried again');
      } finally {
        busy = false;
      }
    },
  };
}
