import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AssignmentTarget } from '@thinman/protocol';
import fc from 'fast-check';
import { circleOf } from '../admin-plane/group-cycles.ts';
import type { BundleReport } from '../ports.ts';
import { groupsWithin, progressOf, reachOf, scopesOf } from './deployment.ts';
import { groupChain, groupDepths } from './site-config.ts';

const REPORT: BundleReport = {
  ...{ origin: 'device:tc-1', user: '', at: 1, etag: 'held', outcome: 'failed' },
  version: { epoch: 2, generation: 10 },
  sections: { power: { result: 'applied' }, display: { result: 'failed', why: 'no such output' } },
};
const never = () => assert.fail('a bundle was made in vain');

test('a report of a bundle as new counts, with the sections that there is something to say about', () => {
  const has = { state: 'failed', sections: { display: { result: 'failed', why: 'no such output' } } };
  for (const change of [
    { epoch: 2, generation: 10 },
    { epoch: 1, generation: 99 },
  ]) {
    assert.deepEqual(progressOf(REPORT, change, never), has);
  }
});

test('an older one counts if it is of the very bundle that holds now; else the device has not told of it', () => {
  const change = { epoch: 2, generation: 11 };
  assert.equal(progressOf(REPORT, change, () => 'held').state, 'failed');
  assert.deepEqual(
    progressOf(REPORT, change, () => 'other'),
    { state: 'waiting', sections: {} },
  );
  assert.equal(progressOf(undefined, change, never).state, 'waiting');
});

test('whom a commit concerns: by what its objects were and are', () => {
  const change = (
    kind: Parameters<typeof reachOf>[0][number]['kind'],
    before: object | null,
    after: object | null,
  ) => ({
    ...{ kind, name: 'n' },
    before: before && { ...before },
    after: after && { ...after },
  });
  const targetsOf = () => [{ deviceGroup: 'ward' }];
  const reach = (...changes: Parameters<typeof reachOf>[0]) => reachOf(changes, targetsOf);
  const moved = change('Assignment', { to: { device: 'a' } }, { to: { deviceGroup: 'g' } });
  assert.deepEqual(reach(moved), { kind: 'targets', targets: [{ device: 'a' }, { deviceGroup: 'g' }] });
  assert.deepEqual(reach(change('Policy', null, {})), { kind: 'targets', targets: [{ deviceGroup: 'ward' }] });
  assert.deepEqual(reach(change('Device', {}, {})), { kind: 'targets', targets: [{ device: 'n' }] });
  assert.deepEqual(reach(change('Administrator', {}, {})), { kind: 'targets', targets: [] });
  assert.deepEqual(reach(change('DeviceGroup', {}, {}), moved), { kind: 'everybody' });
});

test('only there are devices looked for where they can be', () => {
  const deviceGroups = new Map([
    ['hospital', {}],
    ['ward', { parent: 'hospital' }],
    ['room', { parent: 'ward' }],
  ]);
  const scopes = (...targets: readonly AssignmentTarget[]) => scopesOf({ kind: 'targets', targets }, { deviceGroups });
  assert.deepEqual(scopes({ deviceGroup: 'ward' }, { device: 'b', user: 'u' }, { device: 'a' }), [
    { kind: 'group', name: 'room' },
    { kind: 'group', name: 'ward' },
    { kind: 'device', name: 'a' },
    { kind: 'device', name: 'b' },
  ]);
  assert.deepEqual(scopes({ device: 'a' }, { userGroup: 'nurses' }), [{ kind: 'all' }]);
  assert.deepEqual(scopes(), []);
  assert.deepEqual(groupsWithin({ deviceGroups }, new Set(['hospital'])), new Set(['hospital', 'ward', 'room']));
});

test('however deep the tree is, each group is looked at once', () => {
  let asked = 0;
  class Counted extends Map<string, { readonly parent?: string }> {
    override get(name: string) {
      asked += 1;
      return super.get(name);
    }
  }
  const deep = new Counted();
  for (let at = 0; at < 1_000; at++) deep.set(`g${at}`, at === 0 ? {} : { parent: `g${at - 1}` });
  assert.equal(groupsWithin({ deviceGroups: deep }, new Set(['g500'])).size, 500);
  assert.ok(asked <= 1_000, `${asked}`);
  asked = 0;
  const depths = groupDepths(deep, ['g999', 'g998', 'g10']);
  assert.deepEqual([depths.size, depths.get('g0'), depths.get('g999')], [1_000, 0, 999]);
  assert.ok(asked <= 1_000, `${asked}`);
  asked = 0;
  const clear = new Set<string>();
  for (const name of deep.keys())
    assert.equal(
      circleOf(name, each => deep.get(each)?.parent, clear),
      undefined,
    );
  assert.ok(asked <= 1_000, `${asked}`);
});

test('what is within, and on a circle, is as by the plain way, whatever leads where', () => {
  const names = ['a', 'b', 'c', 'd', 'e'] as const;
  const trees = fc.record(
    Object.fromEntries(names.map(name => [name, fc.option(fc.constantFrom(...names), { nil: undefined })])),
  );
  fc.assert(
    fc.property(trees, fc.subarray([...names]), (parents, outer) => {
      const deviceGroups = new Map(
        Object.entries(parents).map(([name, parent]) => [name, parent === undefined ? {} : { parent }]),
      );
      const isWithin = (name: string) => groupChain(deviceGroups, name).some(each => outer.includes(each as never));
      const plain = new Set(outer.length === 0 ? [] : [...outer, ...names.filter(isWithin)]);
      assert.deepEqual(groupsWithin({ deviceGroups }, new Set(outer)), plain);
      const clear = new Set<string>();
      for (const name of names) {
        assert.deepEqual(
          circleOf(name, each => parents[each], clear),
          circleOf(name, each => parents[each]),
          name,
        );
      }
    }),
  );
});
