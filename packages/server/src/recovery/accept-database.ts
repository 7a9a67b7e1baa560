import type { AcceptDatabaseAnswer, ForkReport, SeenState } from '@thinman/protocol';
import type { Actor, WriteDeps } from '../admin-plane/admin-deps.ts';
import { refusalUnlessPrimary, withinDatabaseDeadline } from '../admin-plane/commit.ts';
import { type Loss, summarise } from '../core/losses.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Restate } from '../identity/restate.ts';
import type { ReplicaPosition, SiteRow } from '../ports.ts';
import { findLosses } from './find-losses.ts';
import { writeForkFile } from './fork-file.ts';
import { keepServers } from './keep-servers.ts';
import type { SecondariesAhead } from './secondaries-ahead.ts';

export type RecoveryDeps = {
  readonly write: WriteDeps;
  readonly restate: Restate;
  /** Where a file with what is lost goes. */
  readonly folder: string;
  readonly secondaries: Pick<SecondariesAhead, 'known' | 'overrule'>;
};

/** An administrator decides what a database counts that lacks what this server has seen (ADR 0025). */
export type AcceptDatabase = {
  /** What would be lost; changes nothing. */
  look(): Promise<Outcome<ForkReport>>;
  /**
   * The database as it was seen counts from now on. What it lacks is on disk before: a crash leaves the fork, with a file too
   * many, or the new epoch.
   */
  accept(actor: Actor, seen: SeenState): Promise<Outcome<AcceptDatabaseAnswer>>;
};

type Looked = {
  readonly site: SiteRow;
  readonly position: ReplicaPosition;
  readonly losses: readonly Loss[];
  readonly report: ForkReport;
};

export function createAcceptDatabase({ write, restate, folder, secondaries }: RecoveryDeps): AcceptDatabase {
  const { record, replica, identity, clock } = write;

  async function look(): Promise<Outcome<Looked>> {
    const notHere = refusalUnlessPrimary(write);
    if (notHere !== undefined) return notHere;
    const position = replica.position();
    if (position === undefined) return refused('not_serving', { detail: 'This server has no whole copy of its site.' });
    const feed = await withinDatabaseDeadline(clock, record.feed(undefined));
    if (feed === 'late') return refused('database_unavailable', { detail: 'The database does not answer.' });
    const { site } = feed;
    if (site.siteId !== identity.siteId) {
      return refused('forbidden', { detail: `The database holds another site (${site.siteId}): it is not accepted.` });
    }
    const forked = await record.lacks(position);
    const ahead = [];
    for (const secondary of secondaries.known()) {
      const isOfThisEpoch = secondary.position.version.epoch === position.version.epoch;
      if (isOfThisEpoch && (await record.lacks(secondary.position))) ahead.push(secondary);
    }
    const losses = forked && feed.kind === 'full' ? await findLosses(replica, feed.objects) : [];
    const report: ForkReport = {
      forked: forked || ahead.length > 0,
      database: { ...site.version, commitId: site.commitId },
      replica: position.version,
      losses: summarise(losses),
      secondariesAhead: ahead.map(({ name, position: { version } }) => ({ name, ...version })),
    };
    return done({ site, position, losses, report });
  }

  return {
    async look() {
      const looked = await look();
      return looked.ok ? done(looked.value.report) : looked;
    },
    async accept(actor, seen) {
      const looked = await look();
      if (!looked.ok) return looked;
      const { site, position, losses, report } = looked.value;
      if (!report.forked)
        return refused('conflict', { detail: 'The database has not forked: there is nothing to accept.' });
      if (seen.commitId !== site.commitId) return refusedAsOther();
      const file = losses.length === 0 ? null : writeForkFile(folder, position, losses, clock);
      const statement = write.statement();
      const epoch = Math.max(site.version.epoch, position.version.epoch, statement.epoch) + 1;
      const raised = await record.raiseEpoch(
        { from: site, epoch, primaryInstance: identity.instance, actor: actor.name },
        async transaction => {
          await keepServers(transaction, replica, statement);
          await restate(transaction);
        },
      );
      if (raised === undefined) return refusedAsOther();
      const { version } = raised;
      secondaries.overrule(report.secondariesAhead.map(({ name }) => name));
      const told = write.events.write('site.epoch.raised', {
        ...version,
        from: { database: site.version, replica: position.version },
        why: 'accept-database',
        actor: actor.name,
        lost: losses.length,
        file,
      });
      await Promise.allSettled([write.syncNow(), told]);
      return done({ ...version, losses: report.losses, file });
    },
  };
}

function refusedAsOther() {
  return refused('conflict', { detail: 'The database is not as it was seen: look at it again, then decide.' });
}

/** Where no key of a CA lies, no statement is signed. */
export function noAcceptDatabase(write: WriteDeps): AcceptDatabase {
  const nowhere = async () =>
    refusalUnlessPrimary(write) ?? refused('not_primary', { detail: 'The site CA is not here.' });
  return { look: nowhere, accept: nowhere };
}
