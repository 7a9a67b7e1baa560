import type { ExportStatus, StatementAnswer } from '@thinman/protocol';
import type { Logger } from 'pino';
import { describeLosses, summarise } from '../core/losses.ts';
import type { Clock, Replica, ReplicaPosition, StoredObject } from '../ports.ts';
import { findTouched } from './find-losses.ts';
import { findForkFile, writeForkFile } from './fork-file.ts';

type RestsOn = NonNullable<StatementAnswer['restsOn']>;

/**
 * What a Primary does that hears of the promotion of another one: what it has committed beyond the point that the new epoch
 * rests on is exported, never merged, never dropped silently (`failover.md`, invariant 5).
 */
export type Leaving = {
  leave(restsOn: RestsOn): Promise<void>;
  /**
   * The replica has moved: a commit was under way when the promotion was heard of, or the database was away. It is exported
   * as well, if `leave` has said from where on.
   */
  moved(): Promise<void>;
  /** Whether all that its database has lies in a file. */
  status(): ExportStatus;
};

export function createLeaving(options: {
  readonly replica: Pick<Replica, 'position' | 'page'>;
  /** The replica has all that the database has, as far as the last read tells. */
  readonly databaseRead: () => boolean;
  /** It is listed in the newest statement. */
  readonly isServer: (server: StoredObject) => boolean;
  readonly folder: string;
  readonly tell: (type: string, data: Record<string, unknown>) => Promise<unknown>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}): Leaving {
  const { replica, databaseRead, isServer, folder, tell, clock, log } = options;
  let from: RestsOn | undefined;
  let done: { readonly commitId: string; readonly file: string | null } | undefined;
  let busy = false;

  const isDone = (position: ReplicaPosition) => done?.commitId === position.commitId;

  async function exportPast(position: ReplicaPosition, generation: number): Promise<void> {
    const { commitId } = position;
    const before = findForkFile(folder, position);
    if (before !== undefined) {
      done = { commitId, file: before };
      return;
    }
    const losses = await findTouched(replica, generation, isServer);
    const file = losses.length === 0 ? null : writeForkFile(folder, position, losses, clock);
    done = { commitId, file };
    if (file === null) return;
    log.warn(
      { file },
      `what this server has committed and the new Primary has not was exported: ${describeLosses(summarise(losses))}`,
    );
    await tell('site.superseded', { ...position.version, lost: losses.length, file });
  }

  async function moved(): Promise<void> {
    if (from === undefined || busy) return;
    busy = true;
    try {
      // Once more where it has moved meanwhile.
      for (let at = replica.position(); at !== undefined && !isDone(at); at = replica.position())
        await exportPast(at, from.generation);
    } catch (error) {
      log.error({ err: error }, 'what this server has committed could not be exported; tried again');
    } finally {
      busy = false;
    }
  }

  return {
    leave(restsOn) {
      from = restsOn;
      return moved();
    },
    moved,
    status() {
      const position = replica.position();
      const complete = position !== undefined && isDone(position) && databaseRead();
      return { complete, file: done?.file ?? null };
    },
  };
}
