import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type DeploymentList,
  type DeploymentPage,
  type DeploymentRow,
  type DeviceBody,
  type DiffAnswer,
  MAX_PAGE_SIZE,
} from '@thinman/protocol';
import { progressOf, reachOf, scopesOf } from '../core/deployment.ts';
import { createReachFilter, type Reach } from '../core/reach.ts';
import { isStagedKind } from '../core/staged-index.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { BundleReport, StoredObject } from '../ports.ts';
import type { AdminDeps } from './admin-deps.ts';
import { withinDatabaseDeadline } from './commit.ts';
import { devicesIn } from './device-pages.ts';

type Deps = Pick<AdminDeps, 'record' | 'replica' | 'clock' | 'config' | 'targetsOf' | 'currentEtag'>;

const NAMED_IN_ANSWER = 100;
/** Objects of one commit that are looked at; a larger one concerns everybody, as far as anybody can tell. */
const MAX_CHANGES = 200;
/** Devices that are looked at for one answer. */
export const DEVICES_PER_PAGE = 500;
/** Looked at in one turn: some milliseconds at most; devices are answered in between. */
const AT_A_TIME = 50;

/** How far the devices that one commit may concern are with it: a page of them. */
export async function showDeployment(
  deps: Deps,
  generation: number,
  page: { readonly after?: string; readonly limit: number },
): Promise<Outcome<DeploymentPage>> {
  const site = deps.replica.site();
  if (site === undefined) return refused('not_serving');
  const { epoch } = site.version;
  const asked = Promise.all([
    deps.record.commits({ epoch, before: generation + 1, limit: 1 }),
    deps.record.changesBetween({ epoch, from: generation - 1, to: generation, limit: MAX_CHANGES }),
  ]);
  const found = await withinDatabaseDeadline(deps.clock, asked);
  if (found === 'late') return databaseIsLate();
  const [[commit], { items: changes, more }] = found;
  if (commit?.version.generation !== generation) {
    return refused('not_found', {
      detail: `No commit of this epoch made generation ${generation}: see thinman deployment list.`,
    });
  }
  const reach: Reach = more ? { kind: 'everybody' } : reachOf(changes, deps.targetsOf);
  const { devices, next } = devicesIn(deps.replica, scopesOf(reach, deps.config()), page);
  const reports = await withinDatabaseDeadline(
    deps.clock,
    deps.record.reports(devices.map(({ name }) => `device:${name}`)),
  );
  if (reports === 'late') return databaseIsLate();
  const byOrigin = Map.groupBy(reports, ({ origin }) => origin);
  const items: DeploymentRow[] = [];
  for (const [at, device] of devices.entries()) {
    if (at % AT_A_TIME === 0) await nextTurn();
    items.push(...rowsOf(deps, device, reach, commit.version, byOrigin.get(`device:${device.name}`) ?? []));
  }
  return done({
    ...commit.version,
    at: commit.atMs,
    actor: commit.actor,
    objects: changes.slice(0, NAMED_IN_ANSWER).map(({ kind, name }) => ({ kind, name })),
    reach: reach.kind === 'everybody' ? 'everybody' : [...reach.targets],
    items,
    next: next ?? null,
  });
}

function rowsOf(
  deps: Deps,
  device: StoredObject,
  reach: Reach,
  change: BundleReport['version'],
  own: readonly BundleReport[],
): readonly DeploymentRow[] {
  const { group, revoked } = device.body as DeviceBody;
  if (revoked === true) return [];
  const concerns = createReachFilter(reach, deps.config());
  const place = { device: device.name, group };
  const rows: DeploymentRow[] = [];
  if (concerns({ ...place, isInUse: false, user: undefined })) {
    const report = own.find(({ user }) => user === '');
    rows.push(
      row(
        device,
        null,
        report,
        progressOf(report, change, () => deps.currentEtag(device)),
      ),
    );
  }
  for (const report of own) {
    if (report.user === '' || !concerns({ ...place, isInUse: true, user: report.user })) continue;
    const progress = progressOf(report, change, () => undefined);
    // Who is not signed in gets it with the next login: nobody waits for that.
    if (progress.state !== 'waiting') rows.push(row(device, report.user, report, progress));
  }
  return rows;
}

function row(
  { name }: StoredObject,
  user: string | null,
  report: BundleReport | undefined,
  { state, sections }: ReturnType<typeof progressOf>,
): DeploymentRow {
  const told = { generation: report?.version.generation ?? null, at: report?.at ?? null };
  return { device: name, user, state, sections: { ...sections }, ...told };
}

/** Commits that may change bundles, newest first; how many devices have told of bundles as new. */
export async function listDeployments(
  deps: Deps,
  { before, limit }: { readonly before?: number; readonly limit: number },
): Promise<Outcome<DeploymentList>> {
  const site = deps.replica.site();
  if (site === undefined) return refused('not_serving');
  const { epoch } = site.version;
  const asked = Promise.all([
    // Among a thousand commits there may be few of the kind that matters.
    deps.record.commits({ epoch, limit: MAX_PAGE_SIZE, ...(before !== undefined && { before }) }),
    deps.record.reportTally(epoch),
  ]);
  const found = await withinDatabaseDeadline(deps.clock, asked);
  if (found === 'late') return databaseIsLate();
  const [commits, tally] = found;
  const kinds = commits.map(({ summary }) => sumOf(summary.put, summary.removed));
  const matters = commits.flatMap((commit, at) => {
    const of = kinds[at] ?? {};
    const counts = Object.keys(of).some(
      kind => kind === 'SiteSettings' || kind === 'User' || isStagedKind(kind as never),
    );
    return counts ? [{ commit, of }] : [];
  });
  const items = matters.slice(0, limit).map(({ commit: { version, atMs, actor }, of }, at) => {
    // What went wrong with a later commit says nothing against this one.
    const newer = matters[at - 1]?.commit.version.generation ?? before ?? Number.POSITIVE_INFINITY;
    const count = (wanted: string, below: number) =>
      tally
        .filter(
          ({ generation, outcome }) => generation >= version.generation && generation < below && outcome === wanted,
        )
        .reduce((sum, { count: more }) => sum + more, 0);
    const told = {
      applied: count('applied', Number.POSITIVE_INFINITY),
      pending: count('pending', newer),
      failed: count('failed', newer),
    };
    return { ...version, at: atMs, actor, kinds: of, ...told };
  });
  const last =
    matters.length > limit
      ? items.at(-1)?.generation
      : commits.length === MAX_PAGE_SIZE
        ? commits.at(-1)?.version.generation
        : undefined;
  return done({ items, next: last ?? null });
}

function sumOf(...counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const [kind, count] of counts.flatMap(Object.entries)) sum[kind] = (sum[kind] ?? 0) + count;
  return sum;
}

/** What lies between two generations of this epoch. */
export async function diffGenerations(
  deps: Deps,
  { from, to, limit }: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<Outcome<DiffAnswer>> {
  const site = deps.replica.site();
  if (site === undefined) return refused('not_serving');
  const { epoch, generation } = site.version;
  if (from > to) return refused('bad_request', { problems: [{ field: 'from', message: 'is above "to": swap them' }] });
  if (to > generation) {
    return refused('bad_request', {
      problems: [{ field: 'to', message: `has not been yet: the site is at ${generation}` }],
    });
  }
  const found = await withinDatabaseDeadline(deps.clock, deps.record.changesBetween({ epoch, from, to, limit }));
  if (found === 'late') return databaseIsLate();
  const items = found.items.map(({ kind, name, before, after }) => ({
    ...{ kind, name, before: before && { ...before }, after: after && { ...after } },
  }));
  return done({ epoch, from, to, items, more: found.more });
}

const databaseIsLate = () => refused('database_unavailable', { detail: 'The database does not answer.' });
