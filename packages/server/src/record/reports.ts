import { BundleApplied, parseValue, type RecordedEvent, type SectionResult } from '@thinman/protocol';
import type { BundleReport, ReportOutcome, ReportTally } from '../ports.ts';
import { inBatches } from './batches.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';

/** Origins of one question: well below what statements may have of parameters. */
const ORIGINS_AT_A_TIME = 500;

/** Of the worst section. */
export function outcomeOf(sections: Readonly<Record<string, SectionResult>>): ReportOutcome {
  const results = Object.values(sections).map(({ result }) => result);
  return results.includes('failed') ? 'failed' : results.includes('pending') ? 'pending' : 'applied';
}

/**
 * Keeps, of each device and of each user on it, the newest report of a bundle, in the transaction that stores its event. Ids of a
 * device's events rise with its time: what comes late, or twice, changes nothing.
 */
export async function keepReports(db: RecordDb, events: readonly RecordedEvent[]): Promise<void> {
  const newest = new Map<string, BundleReport & { readonly eventId: string }>();
  for (const event of events) {
    const report = reportOf(event);
    if (report === undefined) continue;
    const key = keyOf(report);
    if ((newest.get(key)?.eventId ?? '') < report.eventId) newest.set(key, report);
  }
  if (newest.size === 0) return;
  const origins = [...new Set([...newest.values()].map(({ origin }) => origin))];
  for (let from = 0; from < origins.length; from += ORIGINS_AT_A_TIME) {
    const held = await db
      .selectFrom('bundle_reports')
      .select(['origin', 'user', 'eventId'])
      .where('origin', 'in', origins.slice(from, from + ORIGINS_AT_A_TIME))
      .execute();
    for (const row of held) if ((newest.get(keyOf(row))?.eventId ?? '') <= row.eventId) newest.delete(keyOf(row));
  }
  const rows = [...newest.values()].map(({ version, sections, ...report }) => {
    return { ...report, ...version, sections: JSON.stringify(sections) };
  });
  for (const some of inBatches(rows, ({ sections }) => sections.length)) {
    await db
      .replaceInto('bundle_reports')
      .values([...some])
      .execute();
  }
}

const keyOf = ({ origin, user }: { readonly origin: string; readonly user: string }) => `${origin} ${user}`;

function reportOf({ type, id, origin, at, user, data }: RecordedEvent) {
  if (type !== 'bundle.applied') return undefined;
  const parsed = parseValue(BundleApplied, data);
  if (!parsed.ok) return undefined;
  const { which, etag, version, sections = {} } = parsed.value;
  if (which === 'user' && user === undefined) return undefined;
  const whose = which === 'user' ? (user ?? '') : '';
  return { origin, user: whose, eventId: id, at, etag, version, outcome: outcomeOf(sections), sections };
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
