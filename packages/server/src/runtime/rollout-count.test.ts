import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { RolloutSystem } from '@thinman/protocol';
import { type Rollout, readRollout } from '../core/rollout.ts';
import type { SiteConfig } from '../core/site-config.ts';
import { createSiteIndex } from '../core/site-index.ts';
import type { BundleReport, StoredObject } from '../ports.ts';
import { createRolloutCount, type RolloutCount, type RolloutCountDeps } from './rollout-count.ts';

const DEVICES = 12_345;
const LIMIT = 1_000;

const group = (name: string, parent?: string) => ({
  ...{ kind: 'DeviceGroup' as const, name, deleted: false, system: {} },
  body: { ...(parent !== undefined && { parent }) },
});
const config: SiteConfig = createSiteIndex([group('ward'), group('room', 'ward'), group('other')]).config;
const RUNNING: RolloutSystem = { state: 'running', stage: 0, stageSince: 0, began: 7, base: 5 };
const rollout = (): Rollout =>
  readRollout(
    'r',
    {
      of: { policy: 'quiet' },
      to: { settings: { power: { screenOffAfterMinutes: 6 } } },
      stages: [{ deviceGroups: ['ward'] }],
    },
    { rollout: RUNNING },
  );

/** A site of which it is counted what is asked of it: what it costs, without a clock. */
let devices: Map<string, StoredObject>;
let told: Map<string, readonly BundleReport[]>;
let asked: { etags: number; reports: number; largestQuestion: number };
let count: RolloutCount;

const nameOf = (at: number) => `tc-${String(at).padStart(6, '0')}`;
const put = (name: string, body: object) =>
  void devices.set(name, { kind: 'Device', name, uid: name, generation: 1, body, system: {} } as never);
const tell = (name: string, result: 'applied' | 'failed' | 'pending', more: Partial<BundleReport> = {}) => {
  const section =
    result === 'failed' ? { result, why: 'x' } : result === 'pending' ? { result, until: 'reboot' } : { result };
  const report = {
    ...{ origin: `device:${name}`, user: '', at: 0, etag: 'now', outcome: result, sections: { power: section } },
    version: { epoch: 1, generation: 8 },
    ...more,
  };
  told.set(name, [...(told.get(name) ?? []).filter(({ user }) => user !== report.user), report as BundleReport]);
  count.touch(name);
};

const deps: RolloutCountDeps = {
  replica: {
    get: (_kind, name) => devices.get(name),
    list: () => assert.fail('all devices of the site were asked for'),
    devicesOf: (wanted, { after = '', limit }) =>
      [...devices.values()].filter(({ name, body }) => body.group === wanted && name > after).slice(0, limit),
  },
  record: {
    async reports(origins) {
      asked.reports += 1;
      asked.largestQuestion = Math.max(asked.largestQuestion, origins.length);
      return origins.flatMap(origin => told.get(origin.slice('device:'.length)) ?? []);
    },
  },
  site: {
    config: () => config,
    targetsOf: () => [{ site: true }],
    currentEtag() {
      asked.etags += 1;
      return 'now';
    },
  },
};

beforeEach(() => {
  devices = new Map();
  told = new Map();
  asked = { etags: 0, reports: 0, largestQuestion: 0 };
  count = createRolloutCount(deps);
});

async function countAll(): Promise<number> {
  let looks = 0;
  for (; count.isBusy(); looks++) {
    const before = { ...asked };
    assert.ok((await count.take(LIMIT)) <= LIMIT);
    assert.ok(asked.etags - before.etags <= LIMIT, 'a look costs no more than its limit');
    assert.ok(asked.reports - before.reports <= 6);
  }
  return looks;
}

describe('who has what a rollout gives', () => {
  test('is counted a bounded slice at a time, and from then on only where something is new', async () => {
    for (let at = 0; at < DEVICES; at++) {
      const name = nameOf(at);
      put(name, { group: at % 2 === 0 ? 'ward' : 'room' });
      tell(name, at % 10 === 0 ? 'failed' : 'applied');
    }
    count = createRolloutCount(deps);
    count.follow(rollout(), 'a');
    await count.take(LIMIT);
    assert.equal(count.isComplete(), false, 'after one look not all have been looked at');
    assert.equal(await countAll(), Math.ceil(DEVICES / LIMIT) - 1);
    assert.deepEqual([count.isComplete(), asked.largestQuestion], [true, 250]);
    assert.deepEqual(count.tally(), { applied: 11_110, pending: 0, failed: 1_235, waiting: 0 });

    asked = { etags: 0, reports: 0, largestQuestion: 0 };
    assert.equal(await count.take(LIMIT), 0);
    assert.equal(asked.reports, 0, 'nothing is new, and nothing is asked');
    tell(nameOf(1), 'failed');
    tell(nameOf(2), 'pending');
    assert.equal(count.isComplete(), false, 'what is new is not counted yet');
    assert.equal(await count.take(LIMIT), 2);
    assert.deepEqual([asked.etags, asked.reports], [2, 1]);
    assert.deepEqual(count.tally(), { applied: 11_108, pending: 1, failed: 1_236, waiting: 0 });
  });

  test('follows devices that come, leave, are revoked and are deleted', async () => {
    for (const name of ['a', 'b', 'c', 'd']) put(name, { group: 'ward' });
    put('e', { group: 'other' });
    count.follow(rollout(), 'a');
    await countAll();
    assert.deepEqual(count.tally(), { applied: 0, pending: 0, failed: 0, waiting: 4 });
    put('a', { group: 'other' });
    put('b', { group: 'ward', revoked: true });
    devices.delete('c');
    put('e', { group: 'room' });
    for (const name of ['a', 'b', 'c', 'e']) count.touch(name);
    await countAll();
    assert.deepEqual(count.tally(), { applied: 0, pending: 0, failed: 0, waiting: 2 });
    // As a change that was not heard of: the next round finds it.
    devices.delete('d');
    count.recount();
    await countAll();
    assert.equal(count.tally().waiting, 1);
  });

  test('counts users who told since it began, and no other bundle of the device than the one of now', async () => {
    for (const name of ['a', 'b']) put(name, { group: 'ward' });
    count.follow(rollout(), 'a');
    tell('a', 'applied', { etag: 'the one before' });
    tell('a', 'failed', { user: 'alice' });
    tell('b', 'failed', { user: 'bob', version: { epoch: 1, generation: 6 } });
    await countAll();
    assert.deepEqual(count.tally(), { applied: 0, pending: 0, failed: 1, waiting: 2 });
  });

  test('lets no device count for a crowd, whoever it says has worked there', async () => {
    for (const name of ['a', 'b', 'liar']) put(name, { group: 'ward' });
    count.follow(rollout(), 'a');
    tell('a', 'failed');
    for (let at = 0; at < 1_000; at++) tell('liar', 'applied', { user: `user-${at}`, at });
    tell('liar', 'failed', { user: 'newest', at: 1_000 });
    await countAll();
    assert.deepEqual(count.tally(), { applied: 9, pending: 0, failed: 2, waiting: 2 });
  });

  test('is not complete after a step of the rollout until all have been looked at again; a change of the site keeps it', async () => {
    for (let at = 0; at < 300; at++) put(nameOf(at), { group: 'ward' });
    count.follow(rollout(), 'a');
    await countAll();
    count.recount();
    assert.deepEqual([count.isComplete(), count.isBusy()], [true, true]);
    await count.take(10);
    // In the middle of a round: it goes on to its end, and another one follows.
    count.recount();
    await count.take(290);
    assert.deepEqual([count.isComplete(), count.isBusy()], [true, true]);
    await countAll();
    count.follow(rollout(), 'b');
    assert.equal(count.isComplete(), false);
    await countAll();
    assert.deepEqual([count.isComplete(), count.tally().waiting], [true, 300]);
  });

  test('loses nothing of what it was told when the database does not answer', async () => {
    put('a', { group: 'ward' });
    let isUp = true;
    count = createRolloutCount({
      ...deps,
      record: { reports: origins => (isUp ? deps.record.reports(origins) : Promise.reject(new Error('gone'))) },
    });
    count.follow(rollout(), 'a');
    await countAll();
    tell('a', 'applied');
    isUp = false;
    await assert.rejects(count.take(LIMIT));
    assert.equal(count.isComplete(), false);
    isUp = true;
    await countAll();
    assert.equal(count.tally().applied, 1);
  });
});
