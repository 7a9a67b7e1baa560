import { resolve } from 'node:path';
import type { Clock, SourceOfRecord } from '../ports.ts';
import { readChangesBetween, readCommits } from './changes.ts';
import { runCommit, runEpochRaise } from './commit.ts';
import { compactRecord } from './compaction.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { parseMysqlUrl } from './dialects/mysql/address.ts';
import { mysqlDialect } from './dialects/mysql/mysql.ts';
import { sqliteDialect } from './dialects/sqlite.ts';
import { BadDatabaseUrl, type DatabaseFinding } from './errors.ts';
import { lastHeardFrom, readEvents, storeEvents } from './events.ts';
import { readFeed } from './feed.ts';
import { readFile } from './files.ts';
import { readHistory } from './history.ts';
import { lacksCommit, lastCommitOf, lineOf } from './lineage.ts';
import { ofSite } from './own-site.ts';
import { readReports, tallyReports } from './reports.ts';
import { findSite, initialise } from './site.ts';
import { readChangedSince } from './site-history.ts';
import { createUpkeep, type SchemaNews } from './upkeep.ts';

export type RecordOptions = {
  /** Relative paths of `sqlite:` start here. */
  readonly dataDir: string;
  /** A Secondary's: it reads, and never writes. */
  readonly readOnly?: boolean;
  /** A Primary's: use a database even if its settings may lose what it has acknowledged. */
  readonly acceptWeakDurability?: boolean;
  /** What an administrator should mend, and yet no reason not to use the database. `where`: which one. */
  readonly onFinding?: (where: string, finding: DatabaseFinding) => void;
  /** Of the server whose database it is: its Primary brings an older schema up. Without it nobody does. */
  readonly instance?: string;
  /** Of the server whose database it is: one of another site is not used. Left out by who makes a site, or looks for one. */
  readonly siteId?: string;
  readonly onSchema?: (news: SchemaNews) => void;
  readonly clock: Pick<Clock, 'nowMs'>;
};

/**
 * Opens the database behind a server: `sqlite:PATH` or `mysql://…`. Nothing is connected until the first call, and every call connects
 * anew where need be, so it may be opened while the database is away. Throws BadDatabaseUrl.
 */
export function openSourceOfRecord(url: string, options: RecordOptions): SourceOfRecord {
  return sourceOfRecord(dialectFor(url, options), options);
}

/** What is behind a database URL, for those who copy or check a site as a whole. Throws BadDatabaseUrl. */
export function dialectFor(url: string, options: RecordOptions): RecordDialect {
  const dialect = anyDialectFor(url, options);
  return options.siteId === undefined ? dialect : ofSite(dialect, options.siteId);
}

function anyDialectFor(url: string, options: RecordOptions): RecordDialect {
  const { dataDir, readOnly = false } = options;
  const scheme = url.slice(0, url.indexOf(':') + 1);
  const rest = url.slice(scheme.length);
  switch (scheme) {
    case 'sqlite:':
      if (rest === '') throw new BadDatabaseUrl('the database URL needs a path: sqlite:PATH');
      return sqliteDialect(resolve(dataDir, rest), { readOnly });
    case 'mysql:':
    case 'mariadb:': {
      const parsed = parseMysqlUrl(url, path => resolve(dataDir, path));
      if (parsed.kind === 'wrong') throw new BadDatabaseUrl(parsed.why);
      return mysqlDialect(parsed.address, { ...options, readOnly });
    }
    default:
      throw new BadDatabaseUrl('the database URL must begin with sqlite: or mysql:');
  }
}

function sourceOfRecord(dialect: RecordDialect, options: RecordOptions): SourceOfRecord {
  const { readOnly = false, instance, onSchema = () => {}, clock } = options;
  const upkeep = createUpkeep(dialect, {
    ...(!readOnly && instance !== undefined && { instance }),
    onNews: onSchema,
  });

  async function ready(): Promise<RecordDialect> {
    await upkeep.toWrite();
    return dialect;
  }

  return {
    get kind() {
      return dialect.kind;
    },
    async initialise(site, objects) {
      const row = await initialise(dialect, clock, site, objects);
      upkeep.made();
      return row;
    },
    site: () => findSite(dialect),
    feed: position => upkeep.whileReading(() => readFeed(dialect, position)),
    lacks: async position => lacksCommit(await ready(), position, { readOnly }),
    commit: async (by, work) => runCommit(await ready(), clock, by, work),
    async raiseEpoch(raise, work) {
      await upkeep.toTakeOver();
      return runEpochRaise(dialect, clock, raise, work);
    },
    lastCommitOf: async epoch => lastCommitOf(await ready(), epoch),
    line: async () => lineOf(await ready()),
    obstacleToWriting: () => dialect.obstacleToWriting(),
    history: async (kind, name, limit) => readHistory(await ready(), kind, name, limit),
    changedSince: async (generation, page) => readChangedSince(await ready(), generation, page),
    compact: async (by, nowMs, signal) => compactRecord(await ready(), by, nowMs, signal),
    storeEvents: async events => storeEvents(await ready(), clock, events),
    events: async query => readEvents(await ready(), query),
    lastHeardFrom: async origins => lastHeardFrom(await ready(), origins),
    file: hash => readFile(dialect, hash),
    reports: async origins => readReports(await ready(), origins),
    reportTally: async epoch => tallyReports(await ready(), epoch),
    commits: async query => readCommits(await ready(), query),
    changesBetween: async range => readChangesBetween(await ready(), range),
    connections: () => dialect.connections(),
    close: () => dialect.close(),
  };
}
