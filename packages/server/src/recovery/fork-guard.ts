import type { ServerRole } from '@thinman/protocol';
import type { Logger } from 'pino';
import { describeLosses, type Loss, summarise } from '../core/losses.ts';
import type { Clock, Journal, Replica, ReplicaPosition, SourceOfRecord } from '../ports.ts';
import type { SyncCondition, SyncOptions } from '../replica/sync.ts';
import { findLosses } from './find-losses.ts';
import { findForkFile, writeForkFile } from './fork-file.ts';
import { createSecondariesAhead, type SecondariesAhead } from './secondaries-ahead.ts';

export type ForkGuardOptions = {
  readonly record: Pick<SourceOfRecord, 'lacks'>;
  readonly replica: Pick<Replica, 'position' | 'site' | 'page'>;
  readonly journal: Pick<Journal, 'sendTo' | 'sendAgain'>;
  readonly role: () => ServerRole;
  readonly condition: () => SyncCondition;
  /** The newest that this server knows of. */
  readonly epoch: () => number;
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** `forked` has changed because of a Secondary. */
  readonly onChange: () => void;
};

/** What a server does about a database that lacks what somebody has seen of it: nothing goes back silently (ADR 0025). */
export type ForkGuard = Required<Pick<SyncOptions, 'isFork' | 'beforeDrop'>> & {
  /** Nothing is written into the source of record. */
  forked(): boolean;
  readonly secondaries: SecondariesAhead;
  /** What has gone into a database that counts no more goes again. To be called when epoch or condition have changed. */
  settleJournal(): void;
};

export function createForkGuard(options: ForkGuardOptions): ForkGuard {
  const { record, replica, journal, role, condition, epoch, folder, clock, log } = options;
  const secondaries = createSecondariesAhead({
    lacks: position => record.lacks(position),
    position: () => replica.position(),
    onChange: options.onChange,
    clock,
  });
  /**
   * A damaged copy is made anew from what the database has, without a comparison of the two lines. Where it rests on a commit that
   * the database lacks, gives that.
   */
  async function lostWithDamage(): Promise<ReplicaPosition | undefined> {
    const site = replica.site();
    if (site === undefined || replica.position() !== undefined) return undefined;
    const { siteId, version, commitId } = site;
    const held = { siteId, version, commitId };
    return (await record.lacks(held)) ? held : undefined;
  }

  /** Some pages of a damaged copy cannot be read: it is set aside as a whole all the same. */
  async function readable(losses: Promise<readonly Loss[]>): Promise<readonly Loss[]> {
    try {
      return await losses;
    } catch (error) {
      log.error(
        { err: error },
        'what this server had seen and counts no more cannot be read: it is in the replica that is set aside',
      );
      return [];
    }
  }

  const forked = () => condition().forked || (role() === 'primary' && secondaries.any());

  return {
    forked,
    secondaries,
    async isFork(position: ReplicaPosition) {
      return role() === 'primary' && record.lacks(position);
    },
    async beforeDrop(feed) {
      const position = feed.drops ? replica.position() : await lostWithDamage();
      if (position === undefined || findForkFile(folder, position) !== undefined) return;
      const losses = await readable(findLosses(replica, feed.objects));
      if (losses.length === 0) return;
      const file = writeForkFile(folder, position, losses, clock);
      log.warn(
        { file },
        `what this server had seen and counts no more was exported: ${describeLosses(summarise(losses))}`,
      );
    },
    settleJournal() {
      try {
        if (forked()) return journal.sendAgain();
        // A Secondary's events go to the Primary, whatever its own database does.
        if (role() === 'secondary' || condition().reachable) journal.sendTo(epoch());
      } catch (error) {
        log.error(
          { err: error },
          'the journal could not be told to send again what it keeps; tried again at the next start',
        );
      }
    },
  };
}
