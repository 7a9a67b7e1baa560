import { BundleApplied, parseValue, type RecordedEvent, type SectionResult } from '@thinman/protocol';
import type { BundleReport, ReportOutcome, ReportTally } from '../ports.ts';
import { inBatches } from './batches.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';

/** Origins of one question: well below what statements may have of parameters. */
const ORIGINS_AT_A_TIME = 500;

/**
 * Users of one device whose newest report is kept: more than work at one in a year. A device says by itself who does; one that lies
 * would fill the database, and the memory of whoever asks for its reports.
 */
export const USERS_KEPT = 200;

/** Of the worst section. */
export function outcomeOf(sections: Readonly<Record<string, SectionResult>>): ReportOutcome {
  const results = Object.values(sections).map(({ result }) => result);
  return results.includes('failed') ? 'failed' : results.includes('pending') ? 'pending' : 'applied';
}

/**
 * Keeps, of each device and of each user on it, the newest report of a bundle, in the transaction that stores its event. Ids of a
 * device's events rise with its time: what comes late, or twice, changes nothing.
 */
export async function keepReports(db: RecordDb, events: readonly RecordedEvent[], nowMs: number): Promise<void> {
  const newest = new Map<string, NonNullable<ReturnType<typeof reportOf>>>();
  for (const event of events) {
    const report = reportOf(event);
    if (report === undefined) continue;
    const before = newest.get(keyOf(report));
    if (before === undefined || isNewer(report, before)) newest.set(keyOf(report), report);
  }
  if (newest.size === 0) return;
  const origins = [...new Set([...newest.values()].map(({ origin }) => origin))];
  const known: ReportKey[] = [];
  for (let from = 0; from < origins.length; from += ORIGINS_AT_A_TIME) {
    const held = await db
      .selectFrom('bundle_reports')
      .select(['origin', 'user', 'eventId', 'at'])
      .where('origin', 'in', origins.slice(from, from + ORIGINS_AT_A_TIME))
      .execute();
    known.push(...held);
    for (const row of held) {
      const report = newest.get(keyOf(row));
      // When that one was taken is not kept: it was before now.
      if (report !== undefined && !isNewer(report, { ...row, takenAt: Math.max(nowMs, report.takenAt) })) {
        newest.delete(keyOf(row));
      }
    }
  }
  const rows = [...newest.values()].map(({ version, sections, takenAt: _takenAt, ...report }) => {
    return { ...report, ...version, sections: JSON.stringify(sections) };
  });
  for (const some of inBatches(rows, ({ sections }) => sections.length)) {
    await db
      .replaceInto('bundle_reports')
      .values([...some])
      .execute();
  }
  for (const { origin, user } of tooMany([...known, ...newest.values()])) {
    await db.deleteFrom('bundle_reports').where('origin', '=', origin).where('user', '=', user).execute();
  }
}

/**
 * Whether a report is newer than another one. Before it has heard of a server, a device may have the time of 2099, or say so:
 * such ids order nothing, and what has one is followed by whatever comes. Each is held against the time at which it was taken itself: one
 * that a server sends on days later is no newer than those that were taken meanwhile.
 */
function isNewer(report: TakenReport, other: TakenReport): boolean {
  const isAhead = ({ eventId, takenAt }: TakenReport) => uuidTimeMs(eventId) > takenAt + AHEAD_MS;
  if (isAhead(other) === isAhead(report)) return other.eventId < report.eventId;
  return isAhead(other) || other.at <= report.takenAt;
}

/** Clocks of servers differ by seconds; a device that has heard of one has its time. */
const AHEAD_MS = 3_600_000;

/** The first 48 bits of a UUIDv7 (RFC 9562). */
const uuidTimeMs = (id: string) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

type ReportKey = { readonly origin: string; readonly user: string; readonly eventId: string; readonly at: number };
type TakenReport = Pick<ReportKey, 'eventId' | 'at'> & { readonly takenAt: number };

/** The oldest of users, where there are more of one device than are kept. Of two with one key the later counts. */
function tooMany(reports: readonly ReportKey[]): readonly ReportKey[] {
  const rows = new Map(reports.filter(({ user }) => user !== '').map(report => [keyOf(report), report]));
  return [...Map.groupBy(rows.values(), ({ origin }) => origin).values()].flatMap(ofOne =>
    ofOne.toSorted((a, b) => (a.eventId < b.eventId ? 1 : -1)).slice(USERS_KEPT),
  );
}

const keyOf = ({ origin, user }: { readonly origin: string; readonly user: string }) => `${origin} ${user}`;

function reportOf({ type, id, origin, at, user, data, takenAt }: RecordedEvent) {
  if (type !== 'bundle.applied') return undefined;
  const parsed = parseValue(BundleApplied, data);
  if (!parsed.ok) return undefined;
  const { which, etag, version, sections = {} } = parsed.value;
  if (which === 'user' && user === undefined) return undefined;
  const whose = which === 'user' ? (user ?? '') : '';
  return { origin, user: whose, eventId: id, takenAt, at, etag, version, outcome: outcomeOf(sections), sections };
}

/** The newest report of each of these origins, of its own bundle and of users on it. */
export function readReports(dialect: RecordDialect, origins: readonly string[]): Promise<readonly BundleReport[]> {
  return dialect.snapshot(async db => {
    const found: BundleReport[] = [];
    for (let from = 0; from < origins.length; from += ORIGINS_AT_A_TIME) {
      const rows = await db
        .selectFrom('bundle_reports')
        .selectAll()
        .where('origin', 'in', origins.slice(from, from + ORIGINS_AT_A_TIME))
        .execute();
      found.push(
        ...rows.map(({ origin, user, at, etag, epoch, generation, outcome, sections }) => ({
          ...{ origin, user, at, etag, version: { epoch, generation } },
          outcome: outcome as ReportOutcome,
          sections: JSON.parse(sections) as BundleReport['sections'],
        })),
      );
    }
    return found;
  });
}

/** How many newest reports there are of each generation of an epoch: from the index alone. */
export function tallyReports(dialect: RecordDialect, epoch: number): Promise<readonly ReportTally[]> {
  return dialect.snapshot(async db => {
    const rows = await db
      .selectFrom('bundle_reports')
      .select(({ fn }) => ['generation', 'outcome', fn.countAll<number | bigint>().as('count')])
      .where('epoch', '=', epoch)
      .groupBy(['generation', 'outcome'])
      .execute();
    return rows.map(({ generation, outcome, count }) => ({
      generation,
      outcome: outcome as ReportOutcome,
      count: Number(count),
    }));
  });
}
