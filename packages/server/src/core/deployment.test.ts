import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AssignmentTarget } from '@thinman/protocol';
import type { BundleReport } from '../ports.ts';
import { groupsWithin, progressOf, reachOf, scopesOf } from './deployment.ts';

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
