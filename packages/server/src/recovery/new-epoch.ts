import type { SiteStatement, Version } from '@thinman/protocol';
import type { Actor, WriteDeps } from '../admin-plane/admin-deps.ts';
import { withinDatabaseDeadline } from '../admin-plane/commit.ts';
import type { Loss } from '../core/losses.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { ReplicaPosition, SiteRow, SourceOfRecord } from '../ports.ts';
import { findLosses } from './find-losses.ts';
import { writeForkFile } from './fork-file.ts';
import { keepServers } from './keep-servers.ts';
import { type ServersOf, whoseServers } from './whose-servers.ts';

export type NewEpochDeps = {
  readonly write: WriteDeps;
  /** Where a file with what is lost goes. */
  readonly folder: string;
  /** That this server trusts now, PEM. */
  readonly caCertificates: () => readonly string[];
};

/** A state of the database beside this server's own copy. */
export type Compared = {
  readonly site: SiteRow;
  readonly position: ReplicaPosition;
  /** The database lacks what the copy rests on. */
  readonly forked: boolean;
  /** Whose word counts for who is a server, and for the CAs: the newer one. */
  readonly servers: ServersOf;
  /** What the copy has, and the database has not or otherwise. */
  readonly losses: readonly Loss[];
};

export async function compareWithDatabase(
  { write, caCertificates }: Pick<NewEpochDeps, 'write' | 'caCertificates'>,
  record: Pick<SourceOfRecord, 'feed' | 'lacks'>,
): Promise<Outcome<Compared>> {
  const { replica, identity, clock } = write;
  const position = replica.position();
  if (position === undefined) return refused('not_serving', { detail: 'This server has no whole copy of its site.' });
  const feed = await withinDatabaseDeadline(clock, record.feed(undefined));
  if (feed === 'late') return refused('database_unavailable', { detail: 'The database does not answer.' });
  const { site } = feed;
  const forked = await record.lacks(position);
  const servers = whoseServers(
    { site, forked },
    { identity, held: write.statement(), caCertificates: caCertificates() },
  );
  if (!servers.ok) return servers;
  const losses = forked && feed.kind === 'full' ? await findLosses(replica, feed.objects) : [];
  return done({ site, position, forked, servers: servers.value, losses });
}

/** Who begins an epoch, and why. */
export type EpochWord = {
  readonly actor: Actor;
  readonly why: 'accept-database' | 'promote';
  readonly data?: Record<string, unknown>;
  /** The new one is higher than this, too. */
  readonly above?: number | undefined;
  /** The commit stands; nothing has been read of it yet. */
  readonly landed?: () => Promise<void>;
};

/**
 * An epoch above all that was seen, on the very state that was compared, with this server as its Primary. What goes is on disk
 * before; a crash leaves what was, with a file too many, or the new epoch. undefined: the database is not as it was seen.
 */
export async function beginEpoch(
  { write, folder }: NewEpochDeps,
  record: Pick<SourceOfRecord, 'raiseEpoch'>,
  { site, position, servers, losses }: Compared,
  by: EpochWord,
): Promise<{ readonly version: Version; readonly file: string | null } | undefined> {
  const { identity, clock } = write;
  const file = losses.length === 0 ? null : writeForkFile(folder, position, losses, clock);
  const statement: SiteStatement = write.statement();
  const { actor, why, data, above = 0, landed } = by;
  const epoch = Math.max(site.version.epoch, position.version.epoch, statement.epoch, above) + 1;
  const raised = await record.raiseEpoch(
    { from: site, epoch, primaryInstance: identity.instance, actor: actor.name },
    async transaction => {
      if (servers === 'ours') await keepServers(write, transaction, statement);
      await write.restate(transaction);
    },
  );
  if (raised === undefined) return undefined;
  const { version } = raised;
  await landed?.();
  const from = { database: site.version, replica: position.version };
  await write.syncNow();
  const told = { ...version, from, why, actor: actor.name, lost: losses.length, file, ...data };
  // The commit stands, whatever becomes of its event.
  await Promise.allSettled([write.events.write('site.epoch.raised', told)]);
  return { version, file };
}

export function refusedAsOther() {
  return refused('conflict', { detail: 'The database is not as it was seen: look at it again, then decide.' });
}
