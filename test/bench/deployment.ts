import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DeploymentList, DeploymentPage, ObjectOutput, RolloutAnswer } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { type AdminClient, connect } from '../../packages/server/src/cli/thinman/admin-client.ts';
import type { Site } from '../support/site.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { FLEET_GROUP, type FleetSite, startFleetSite } from './fleet/fleet-site.ts';
import { seedDevices } from './fleet/seed-devices.ts';
import { median, percentile, spreadOf } from './support/statistics.ts';

/** Devices that the site has, from step to step. */
const STEPS: Readonly<Record<Size, readonly [number, ...number[]]>> = {
  small: [200],
  normal: [1_000, 10_000, 100_000],
  full: [1_000, 10_000, 100_000],
};
const LOOKS: Readonly<Record<Size, number>> = { small: 2, normal: 10, full: 30 };
const PAGE = 500;
const ASK_EVERY_MS = 20;
/** Who looks waits; a login meanwhile waits for one page at most. */
const MAX_LIST_MS = 250;
const MAX_PAGE_MS = 100;
const MAX_ALL_MS = 30_000;
/** A rollout is decided on by then, in a stage of 100,000 devices. */
const MAX_COUNT_MS = 60_000;
/** Whoever asks meanwhile waits for one slice of it, or for the step of the rollout itself. */
const MAX_MEANWHILE_MS = 100;

type Step = {
  readonly devices: number;
  readonly list: readonly number[];
  readonly page: readonly number[];
  readonly allMs: number;
  /** Until all devices of a rollout's stage are counted, and what others waited for an answer meanwhile. */
  readonly countMs: number;
  readonly meanwhile: readonly number[];
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
    const { countMs, meanwhile } = await countRollout(started, admin, at);
    measured.push({ devices, list, page, allMs, countMs, meanwhile });
    say(
      `${devices} devices: list ${median(list).toFixed(1)} ms, page ${median(page).toFixed(1)} ms (${Math.max(...page).toFixed(0)} at most), all ${Math.round(allMs)} ms; a rollout's count ${Math.round(countMs)} ms, an answer meanwhile ${median(meanwhile).toFixed(1)} ms (${Math.max(...meanwhile).toFixed(0)} at most)`,
    );
  }
  await admin.close();
  await started.close();
  const [first] = measured;
  if (first === undefined) throw new Error('nothing was measured');
  return measured.flatMap(({ devices, list, page, allMs, countMs, meanwhile }) => [
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
    figure({
      ...{ name: `deployment.rollout.${devices}`, value: countMs, unit: 'ms', floor: first.countMs },
      ...{ target: `≤ ${MAX_COUNT_MS} ms`, met: countMs <= MAX_COUNT_MS },
    }),
    figure({
      ...{
        name: `deployment.meanwhile.${devices}`,
        value: nearlyAll(meanwhile),
        unit: 'ms',
        floor: nearlyAll(first.meanwhile),
      },
      ...{
        target: `≤ ${MAX_MEANWHILE_MS} ms`,
        met: nearlyAll(meanwhile) <= MAX_MEANWHILE_MS,
        spread: spreadOf(meanwhile),
      },
    }),
  ]);
}

/** One answer in a hundred may have met a busy moment of the machine. */
const nearlyAll = (values: readonly number[]) => percentile(values, 99);

/** A rollout to all devices: from its first step until all have been looked at. */
async function countRollout(started: FleetSite, admin: AdminClient, at: number) {
  const name = `r${at}`;
  await started.apply([
    {
      kind: 'Rollout',
      name,
      body: {
        of: { policy: 'all' },
        to: { settings: { power: { screenOffAfterMinutes: 100 + at } } },
        stages: [{ deviceGroups: [FLEET_GROUP], holdMinutes: 60 }],
      },
    },
  ]);
  const meanwhile: number[] = [];
  let begunAt: number | undefined;
  for (;;) {
    const askedAt = performance.now();
    const { status = {} } = await admin.ask(ObjectOutput, { path: `/objects/Rollout/${name}` });
    const now = performance.now();
    if (status.state === 'running') begunAt ??= now;
    if (begunAt !== undefined) meanwhile.push(now - askedAt);
    if (status.devices !== undefined && status.counting !== true) break;
    await delay(ASK_EVERY_MS);
  }
  await admin.ask(RolloutAnswer, { method: 'POST', path: `/rollouts/${name}/roll_back`, body: {} });
  return { countMs: performance.now() - (begunAt ?? 0), meanwhile };
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
