import { hash } from 'node:crypto';
import { canonicalJson, compareVersions, type Version } from '@thinman/protocol';
import type { ReplicaPosition, SiteRow } from '../ports.ts';
import { auditRecord, type RecordAudit, type Unbroken } from '../record/audit.ts';
import type { RecordDialect } from '../record/dialects/dialect.ts';
import type { ObjectRow } from '../record/stored-object.ts';
import type { ReplicaCopy } from '../replica/read-copy.ts';

/** One thing that is not as it should be. */
export type Difference = {
  readonly what: keyof typeof WORDS;
  /** `KIND NAME`, or what else it is about. */
  readonly about: string;
};

/** What each of them means, in words that go on from what it is about. */
export const WORDS = {
  differs: 'is not the same in the replica',
  missing_in_replica: 'is not in the replica',
  missing_in_record: 'is in the replica alone',
  site_differs: 'is not the same in the replica',
  replica_ahead: 'has a generation that the source of record has not',
  forked: 'rests on a commit that the source of record has not',
  other_site: 'is of another site than the source of record',
  replica_damaged: 'does not fit its own digest',
  replica_empty: 'has not been filled yet',
  generation_gap: 'are missing among the commits of the source of record',
  object_without_commit: 'has a generation that no commit made',
  site_without_commit: 'names a commit that the source of record has not',
  uid_twice: 'has the uid of another live object',
} as const;

export type Comparison = {
  readonly record: Version;
  /** Where the replica stands; undefined: nowhere yet. */
  readonly replica: Version | undefined;
  /** Both rest on the same commit. */
  readonly isSameCommit: boolean;
  /** Objects that were held against each other, tombstones too. */
  readonly compared: number;
  /** Objects that commits after the replica's have touched: they are on their way to it. */
  readonly newer: number;
  /** The first ones. */
  readonly differences: readonly Difference[];
  /** All of them. */
  readonly differenceCount: number;
};

/** Named in one answer; the rest are counted. */
const MAX_NAMED = 100;

/**
 * Holds a replica against one snapshot of its source of record, byte for byte, and the source of record against its own commits.
 * A replica that is behind is none that differs: what later commits have touched is counted, and not compared.
 */
export async function compareCopies(record: RecordDialect, replica: ReplicaCopy): Promise<Comparison> {
  const { site: held } = replica;
  const position: ReplicaPosition | undefined = held && {
    ...{ siteId: held.siteId, version: held.version, commitId: held.commitId },
  };
  const found = createFindings();
  const hashes = new Map<string, string>();
  replica.each(row => hashes.set(keyOf(row), hashOf(row)));
  const uids = new Set<string>();
  const generations = new Map<number, string>();
  const counts = { compared: 0, newer: 0 };

  const audit = await auditRecord(record, position, (row, site) => {
    const about = keyOf(row);
    if (row.deleted === 0) {
      if (uids.has(row.uid)) found.add('uid_twice', about);
      uids.add(row.uid);
    }
    if (!generations.has(row.generation)) generations.set(row.generation, about);
    const theirs = hashes.get(about);
    hashes.delete(about);
    if (position === undefined || !areComparable(position, site)) return;
    if (row.generation > position.version.generation) {
      counts.newer++;
      return;
    }
    counts.compared++;
    if (theirs === undefined) {
      if (!mayBeGone(row, site)) found.add('missing_in_replica', about);
    } else if (theirs !== hashOf(row)) {
      // It was touched since in the replica, where that is ahead: told once, of the replica.
      const other = replica.find(row.kind, row.name);
      if (other === undefined || other.generation <= site.version.generation) found.add('differs', about);
    }
  });

  checkCommits(audit, generations, found);
  checkReplica(audit, held, replica.isWhole, found);
  if (position !== undefined && areComparable(position, audit.site)) {
    for (const about of hashes.keys()) {
      const row = findByKey(replica, about);
      if (row !== undefined && !mayBeGone(row, audit.site) && row.generation <= audit.site.version.generation) {
        found.add('missing_in_record', about);
      }
    }
  }
  return {
    record: audit.site.version,
    replica: position?.version,
    isSameCommit: position?.commitId === audit.site.commitId,
    ...counts,
    ...found.all(),
  };
}

/** Generations count within one epoch. */
function areComparable(position: ReplicaPosition, site: SiteRow): boolean {
  return position.siteId === site.siteId && position.version.epoch === site.version.epoch;
}

/** Tombstones up to here are being removed, on each side in its own time. */
function mayBeGone(row: ObjectRow, { compactedGeneration }: SiteRow): boolean {
  return row.deleted !== 0 && row.generation <= compactedGeneration;
}

function checkReplica(
  { site, hasCommitOf }: RecordAudit,
  held: SiteRow | undefined,
  isWhole: boolean,
  found: Findings,
): void {
  if (!isWhole) found.add('replica_damaged', REPLICA);
  if (held === undefined) return isWhole ? found.add('replica_empty', REPLICA) : undefined;
  if (held.siteId !== site.siteId) return found.add('other_site', REPLICA);
  if (compareVersions(held.version, site.version) > 0) found.add('replica_ahead', REPLICA);
  else if (!hasCommitOf) found.add('forked', REPLICA);
  // These two change without a commit, and so a moment later in the replica.
  const { compactedGeneration, schema } = site;
  if (held.commitId !== site.commitId) return;
  if (canonicalJson({ ...held, compactedGeneration, schema }) !== canonicalJson(site)) found.add('site_differs', SITE);
}

const REPLICA = 'the replica';
const SITE = 'the site row';

function checkCommits(
  { site, commits, hasOwnCommit }: RecordAudit,
  generations: ReadonlyMap<number, string>,
  found: Findings,
): void {
  if (!hasOwnCommit) found.add('site_without_commit', SITE);
  for (const [at, { epoch, from }] of commits.entries()) {
    // A new epoch goes on with the next generation of the state that it begins with.
    const before = commits[at - 1] ?? { epoch, to: 0 };
    if (from > before.to + 1) {
      found.add('generation_gap', `generations ${before.epoch}.${before.to + 1} to ${epoch}.${from - 1}`);
    }
  }
  const isMade = (generation: number) =>
    commits.some(({ from, to }: Unbroken) => from <= generation && generation <= to);
  for (const [generation, about] of generations) {
    if (generation > site.version.generation || !isMade(generation)) found.add('object_without_commit', about);
  }
}

type Findings = ReturnType<typeof createFindings>;

function createFindings() {
  const differences: Difference[] = [];
  let differenceCount = 0;
  return {
    add(what: Difference['what'], about: string): void {
      differenceCount++;
      if (differences.length < MAX_NAMED) differences.push({ what, about });
    },
    all: () => ({ differences, differenceCount }),
  };
}

/** No kind has a blank in it. */
const keyOf = ({ kind, name }: Pick<ObjectRow, 'kind' | 'name'>) => `${kind} ${name}`;

function findByKey(replica: ReplicaCopy, key: string): ObjectRow | undefined {
  const blank = key.indexOf(' ');
  return replica.find(key.slice(0, blank), key.slice(blank + 1));
}

function hashOf({ kind, name, uid, generation, body, system, deleted }: ObjectRow): string {
  return hash('sha256', [kind, name, uid, generation, body, system, deleted].join('\0'), 'base64url');
}
