import type { AcceptDatabaseAnswer, AcceptDatabaseRequest, ForkReport } from '@thinman/protocol';
import type { Actor } from '../admin-plane/admin-deps.ts';
import { primaryOf, refusalUnlessPrimary } from '../admin-plane/commit.ts';
import { summarise } from '../core/losses.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { beginEpoch, type Compared, compareWithDatabase, type NewEpochDeps, refusedAsOther } from './new-epoch.ts';
import type { SecondariesAhead } from './secondaries-ahead.ts';

export type AcceptDatabaseDeps = NewEpochDeps & {
  readonly secondaries: Pick<SecondariesAhead, 'known' | 'overrule'>;
  /** It sees neither a device nor another server, and nobody has said that it is to go on alone. */
  readonly seesNobody: () => boolean;
};

/** An administrator decides what a database counts that lacks what this server has seen (ADR 0025). */
export type AcceptDatabase = {
  /** What would be lost; changes nothing. */
  look(): Promise<Outcome<ForkReport>>;
  /** The database as it was seen counts from now on. */
  accept(actor: Actor, request: AcceptDatabaseRequest): Promise<Outcome<AcceptDatabaseAnswer>>;
};

type Looked = { readonly compared: Compared; readonly report: ForkReport };

export function createAcceptDatabase(deps: AcceptDatabaseDeps): AcceptDatabase {
  const { write, secondaries, seesNobody } = deps;
  const { record } = write;

  async function look(): Promise<Outcome<Looked>> {
    const outcome = refusalUnlessPrimary(write) ?? (await compareWithDatabase(deps, record));
    if (!outcome.ok) return outcome;
    const { site, position, forked, losses } = outcome.value;
    const ahead = [];
    for (const secondary of secondaries.known()) {
      const isOfThisEpoch = secondary.position.version.epoch === position.version.epoch;
      if (isOfThisEpoch && (await record.lacks(secondary.position))) ahead.push(secondary);
    }
    const rival = write.rival?.();
    const { name = '', url = '' } = (rival && primaryOf(rival)) ?? {};
    const report: ForkReport = {
      forked: forked || ahead.length > 0,
      ...(rival !== undefined && { contested: { name, url } }),
      ...(rival === undefined && seesNobody() && { isolated: true }),
      database: { ...site.version, commitId: site.commitId },
      replica: position.version,
      losses: summarise(losses),
      secondariesAhead: ahead.map(({ name, position: { version } }) => ({ name, ...version })),
    };
    return done({ compared: outcome.value, report });
  }

  return {
    async look() {
      const looked = await look();
      return looked.ok ? done(looked.value.report) : looked;
    },
    async accept(actor, { database: seen, nobodyWasPromoted = false, epochAbove }) {
      const looked = await look();
      if (!looked.ok) return looked;
      const { compared, report } = looked.value;
      if (!report.forked && report.contested === undefined && epochAbove === undefined) {
        return refused('conflict', { detail: 'The database has not forked: there is nothing to accept.' });
      }
      if (report.isolated && !nobodyWasPromoted) {
        return refused('isolated', {
          detail: 'If none was: thinman-server accept-database --nobody-was-promoted. Nothing was changed.',
        });
      }
      if (seen.commitId !== report.database.commitId) return refusedAsOther();
      const raised = await beginEpoch(deps, record, compared, { actor, why: 'accept-database', above: epochAbove });
      if (raised === undefined) return refusedAsOther();
      secondaries.overrule(report.secondariesAhead.map(({ name }) => name));
      return done({ ...raised.version, losses: report.losses, file: raised.file });
    },
  };
}
