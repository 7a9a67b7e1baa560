import { join } from 'node:path';
import { DeploymentList, DeploymentPage } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { connect } from '../../packages/server/src/cli/thinman/admin-client.ts';
import type { Site } from '../support/site.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { FLEET_GROUP, startFleetSite } from './fleet/fleet-site.ts';
import { seedDevices } from './fleet/seed-devices.ts';
import { median, spreadOf } from './support/statistics.ts';

/** Devices that the site has, from step to step. */
const STEPS: Readonly<Record<Size, readonly [number, ...number[]]>> = {
  small: [50, 200],
  normal: [1_000, 10_000, 100_000],
  full: [1_000, 10_000, 100_000],
};
const LOOKS: Readonly<Record<Size, number>> = { small: 2, normal: 10, full: 30 };
const PAGE = 500;
/** Who looks waits; a login meanwhile waits for one page at most. */
const MAX_LIST_MS = 250;
const MAX_PAGE_MS = 100;
const MAX_ALL_MS = 30_000;

type Step = {
  readonly devices: number;
  readonly list: readonly number[];
  readonly page: readonly number[];
  readonly allMs: number;
};

const timed = async (work: () => Promise<unknown>) => {
  const before = performance.now();
  await work();
  return performance.now() - before;
};

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size, say } = options;
  const steps = STEPS[size];
  const started = await startFleetSite(options, {
    devices: 1,
    beforeConnecting: site => seedDevices(site, 0, steps[0]),
  });
  const { site } = started;
  const admin = connect({ kind: 'socket', path: join(site.primary.data, 'admin.sock'), data: site.primary.data });
  const measured: Step[] = [];
  for (const [at, devices] of steps.entries()) {
    if (at > 0) await seedDevices(site, steps[at - 1] ?? 0, devices);
    seedReports(site, devices);
    // The worst case: all have told of what was before, so that for each it is worked out whether that is what holds.
    await started.apply([
      { kind: 'Policy', name: 'all', body: { settings: { power: { screenOffAfterMinutes: at + 1 } } } },
      { kind: 'Assignment', name: 'all', body: { policy: 'all', to: { deviceGroup: FLEET_GROUP } } },
    ]);
    const { generation } = await site.primary.status();
    const list: number[] = [];
    const page: number[] = [];
    for (let look = 0; look < LOOKS[size]; look++) {
      list.push(await timed(() => admin.ask(DeploymentList, { path: '/deployments' })));
    }
    let rows = 0;
    const allMs = await timed(async () => {
      for (let after: string | null = ''; after !== null; ) {
        const query: string = after === '' ? '' : `&${new URLSearchParams({ after })}`;
        const before = performance.now();
        const answer: DeploymentPage = await admin.ask(DeploymentPage, {
          path: `/deployments/${generation}?limit=${PAGE}${query}`,
        });
        page.push(performance.now() - before);
        rows += answer.items.length;
        after = answer.next;
      }
    });
    if (rows < devices) throw new Error(`only ${rows} devices were told of`);
    measured.push({ devices, list, page, allMs });
    say(
      `${devices} devices: list ${median(list).toFixed(1)} ms, page ${median(page).toFixed(1)} ms (${Math.max(...page).toFixed(0)} at most), all ${Math.round(allMs)} ms`,
    );
  }
  await admin.close();
  await started.close();
  const [first] = measured;
  if (first === undefined) throw new Error('nothing was measured');
  return measured.flatMap(({ devices, list, page, allMs }) => [
    figure({
      ...{ name: `deployment.list.${devices}`, value: median(list), unit: 'ms', floor: median(first.list) },
      ...{ target: `≤ ${MAX_LIST_MS} ms`, met: median(list) <= MAX_LIST_MS, spread: spreadOf(list) },
    }),
    figure({
      ...{ name: `deployment.page.${devices}`, value: median(page), unit: 'ms', floor: median(first.page) },
      ...{ target: `≤ ${MAX_PAGE_MS} ms`, met: median(page) <= MAX_PAGE_MS, spread: spreadOf(page) },
    }),
    figure({
      ...{ name: `deployment.all.${devices}`, value: allMs, unit: 'ms', floor: first.allMs },
      ...{ target: `≤ ${MAX_ALL_MS} ms`, met: allMs <= MAX_ALL_MS },
    }),
  ]);
}

/** What each device has told of the bundle that it had before. */
function seedReports(site: Site, devices: number): void {
  const database = new Database(join(site.primary.data, 'site.db'));
  const insert = database.prepare(
    `INSERT OR REPLACE INTO bundle_reports (origin, user, eventId, at, etag, epoch, generation, outcome, sections)
     VALUES (?, '', ?, ?, 'the one before', 1, 1, 'applied', '{"power":{"result":"applied"}}')`,
  );
  const id = '00000000-0000-7000-8000-000000000000';
  database.transaction(() => {
    for (let at = 0; at < devices; at++) insert.run(`device:seeded-${at}`, id, Date.now());
  })();
  database.close();
}

export const deployment: Bench = {
  name: 'deployment',
  about: 'who has a change, in sites of more and more devices: the list, a page of devices, and all of them',
  run,
};
