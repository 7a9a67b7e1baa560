import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RolloutSystem } from '@thinman/protocol';
import fc from 'fast-check';
import { resolvePolicy } from './resolve-policy.ts';
import { createSiteIndex } from './site-index.ts';
import { createStagedIndex, isActive, momentText, type StagedIndex } from './staged-index.ts';

type Indexed = Parameters<StagedIndex['update']>[0];
const object = (kind: Indexed['kind'], name: string, body: object, system: object = {}): Indexed => ({
  ...{ kind, name, deleted: false },
  body: { ...body },
  system: { ...system },
});
const policy = (minutes: number) => ({ settings: { power: { screenOffAfterMinutes: minutes } } });
const progress = (given: Partial<RolloutSystem>) => ({
  rollout: { state: 'running', stage: 0, stageSince: 0, began: 1, base: 1, ...given },
});
const STAGES = [{ deviceGroups: ['pilot'] }, { deviceGroups: ['ward'] }];
const rollout = (given: Partial<RolloutSystem> | undefined, body: object = {}) =>
  object(
    'Rollout',
    'r',
    { of: { policy: 'quiet' }, to: policy(20), stages: STAGES, ...body },
    given === undefined ? {} : progress(given),
  );
const SITE: readonly Indexed[] = [
  object('DeviceGroup', 'hospital', {}),
  object('DeviceGroup', 'pilot', { parent: 'hospital' }),
  object('DeviceGroup', 'pilot-2', { parent: 'pilot' }),
  object('DeviceGroup', 'ward', { parent: 'hospital' }),
  object('Policy', 'quiet', policy(10)),
  object('Assignment', 'everywhere', { policy: 'quiet', to: { site: true } }),
];

function indexOf(...objects: readonly Indexed[]): StagedIndex {
  const index = createStagedIndex();
  for (const one of objects) index.update(one);
  return index;
}

/** What a device of this group has. */
function minutesIn(index: StagedIndex, group: string | undefined): unknown {
  const subject = { device: { name: 'tc', ...(group !== undefined && { group }) } };
  return resolvePolicy(index.configFor(group), subject)['power.screenOffAfterMinutes']?.value;
}
const GROUPS = [undefined, 'hospital', 'pilot', 'pilot-2', 'ward'] as const;
const all = (index: StagedIndex) => GROUPS.map(group => minutesIn(index, group));

test('a rollout gives the new body to the groups that it has reached, and to those within', () => {
  assert.deepEqual(all(indexOf(...SITE, rollout({}))), [10, 10, 20, 20, 10]);
  assert.deepEqual(all(indexOf(...SITE, rollout({ stage: 1 }))), [10, 10, 20, 20, 20]);
});

test('one that is paused or has stopped keeps what it gave; one that is over, or has not begun, gives nothing', () => {
  for (const state of ['paused', 'stopped'] as const) {
    assert.deepEqual(all(indexOf(...SITE, rollout({ state }))), [10, 10, 20, 20, 10], state);
  }
  for (const given of [undefined, { state: 'rolled_back' }, { state: 'finished' }] as const) {
    assert.deepEqual(all(indexOf(...SITE, rollout(given))), [10, 10, 10, 10, 10]);
  }
});

test('it follows every change: of the rollout, of what it changes, of a group', () => {
  const index = indexOf(...SITE, rollout({}));
  assert.equal(minutesIn(index, 'pilot'), 20);
  index.update(rollout({}, { to: policy(30) }));
  assert.equal(minutesIn(index, 'pilot'), 30);
  index.update(object('Policy', 'quiet', policy(11)));
  assert.deepEqual([minutesIn(index, 'pilot'), minutesIn(index, 'ward')], [30, 11]);
  index.update(object('DeviceGroup', 'pilot-2', { parent: 'ward' }));
  assert.equal(minutesIn(index, 'pilot-2'), 11);
  index.update({ ...rollout({}), deleted: true });
  assert.equal(minutesIn(index, 'pilot'), 11);
});

test('an assignment rolls out as well: its priority, and to whom', () => {
  const loud = object('Policy', 'loud', policy(5));
  const given = { of: { assignment: 'everywhere' }, to: { policy: 'loud', to: { site: true } } };
  const index = indexOf(...SITE, loud, rollout({}, given));
  assert.deepEqual(all(index), [10, 10, 5, 5, 10]);
  assert.deepEqual(index.targetsOf({ kind: 'Rollout', name: 'r' }), [{ site: true }]);
});

test('of two rollouts of one object the one whose name sorts first counts, in whatever order they came', () => {
  const first = { ...rollout({}), name: 'a' };
  const second = { ...rollout({}, { to: policy(30) }), name: 'b' };
  assert.equal(minutesIn(indexOf(...SITE, first, second), 'pilot'), 20);
  assert.equal(minutesIn(indexOf(...SITE, second, first), 'pilot'), 20);
});

test('every order of the same objects gives the same', () => {
  const objects = [...SITE, rollout({}), object('Profile', 'p', { connections: [] })];
  const expected = all(indexOf(...objects));
  fc.assert(
    fc.property(fc.shuffledSubarray(objects, { minLength: objects.length }), shuffled => {
      assert.deepEqual(all(indexOf(...shuffled)), expected);
    }),
  );
});

test('an assignment with a moment counts from the commit that carried it out, and a new moment is a new wait', () => {
  const activateAt = { at: '2026-12-01T06:00', timeZone: 'Europe/Rome' };
  const planned = (system: object, moment = activateAt) =>
    object('Assignment', 'everywhere', { policy: 'quiet', to: { site: true }, activateAt: moment }, system);
  assert.equal(minutesIn(indexOf(...SITE, planned({})), 'ward'), undefined);
  const done = { activatedFor: momentText(activateAt) };
  assert.equal(minutesIn(indexOf(...SITE, planned(done)), 'ward'), 10);
  assert.equal(isActive(planned(done, { ...activateAt, at: '2026-12-02T06:00' })), false);
});

test('a file reaches whom the policies reach that name it', () => {
  const named = object('Policy', 'pictures', {
    settings: { appearance: { wallpaper: 'w.png' }, certificates: { trustFiles: ['ca.pem'] } },
  });
  const index = indexOf(...SITE, named, object('Assignment', 'w', { policy: 'pictures', to: { deviceGroup: 'ward' } }));
  for (const name of ['w.png', 'ca.pem']) {
    assert.deepEqual(index.targetsOf({ kind: 'File', name }), [{ deviceGroup: 'ward' }], name);
  }
  assert.deepEqual(index.targetsOf({ kind: 'File', name: 'other' }), []);
});

test('filters that are to come count among those for which devices say what they are', () => {
  const of = { assignment: 'everywhere' };
  const to = { policy: 'quiet', to: { site: true }, where: { model: ['Dell*'] } };
  const filtersOf = (...more: readonly Indexed[]) => indexOf(...SITE, ...more).config.filters.size;
  assert.equal(filtersOf(), 0);
  for (const given of [undefined, {}, { state: 'stopped' }] as const)
    assert.equal(filtersOf(rollout(given, { of, to })), 1);
  for (const state of ['finished', 'rolled_back'] as const) assert.equal(filtersOf(rollout({ state }, { of, to })), 0);
  const activateAt = { at: '2026-12-01T06:00', timeZone: 'UTC' };
  const planned = object('Assignment', 'planned', { ...to, activateAt });
  assert.equal(filtersOf(planned), 1);
  const index = indexOf(...SITE, planned);
  index.update({ ...planned, system: planned.system, deleted: true });
  assert.equal(index.config.filters.size, 0);
});

test('a change reaches those who have it by a rollout alone, also when nobody has asked since the last change', () => {
  const wallpaper = { settings: { appearance: { wallpaper: 'new.png' } } };
  const toPilot = { policy: 'other', to: { deviceGroup: 'pilot' } };
  const other = object('Policy', 'other', policy(1));
  const file = object('File', 'new.png', { sha256: 'a', bytes: 1 });
  const byFile = indexOf(...SITE, file, rollout({}, { to: wallpaper }));
  assert.deepEqual(byFile.targetsOf(file), [{ site: true }]);
  const byAssignment = indexOf(...SITE, other, rollout({}, { of: { assignment: 'everywhere' }, to: toPilot }));
  assert.deepEqual(byAssignment.targetsOf(other), [{ deviceGroup: 'pilot' }]);
  assert.deepEqual(indexOf(...SITE, other, file, rollout(undefined, { to: wallpaper })).targetsOf(file), []);
});

test('what rollouts give is laid over the site: the rest is read once, and the site stays as it is', () => {
  const base = createSiteIndex([
    ...SITE,
    object('Assignment', 'moved', { policy: 'quiet', to: { deviceGroup: 'ward' }, where: { model: ['a*'] } }),
    object('Assignment', 'beside', { policy: 'quiet', to: { deviceGroup: 'ward' } }),
    object('Assignment', 'on-nurses', { policy: 'quiet', to: { userGroup: 'nurses' } }),
    object('Profile', 'desk', { connections: [] }),
  ]);
  const shown = ({ config }: Pick<typeof base, 'config'>) =>
    structuredClone([config.policies, config.profiles, config.assignments, [...config.filters]]);
  const before = shown(base);
  const others = [
    object('Policy', 'quiet', policy(20)),
    object('Assignment', 'moved', { policy: 'quiet', to: { deviceGroup: 'pilot', userGroup: 'nurses' } }),
    { ...object('Assignment', 'on-nurses', {}), deleted: true },
  ];
  const over = base.with(others);
  assert.deepEqual(shown(base), before);
  const plain = createSiteIndex([...SITE, object('Profile', 'desk', { connections: [] })]);
  for (const one of [object('Assignment', 'beside', { policy: 'quiet', to: { deviceGroup: 'ward' } }), ...others]) {
    plain.update(one);
  }
  assert.deepEqual(shown(over), shown(plain));
  assert.deepEqual(over.targetsOf(object('Policy', 'quiet', {})).length, 3);
  // Nothing is copied of what no rollout changes.
  const bare = base.with([object('Policy', 'quiet', policy(20))]);
  assert.equal(bare.config.assignments, base.config.assignments);
  assert.equal(over.config.profiles.get('desk'), base.config.profiles.get('desk'));
});
