import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReachFilter, EVERYBODY, NOBODY, type Place } from './reach.ts';
import { createSiteIndex } from './site-index.ts';

const group = (name: string, parent?: string) => {
  const body = parent === undefined ? {} : { parent };
  return { kind: 'DeviceGroup', name, body, deleted: false } as const;
};
const { config } = createSiteIndex([group('hospital'), group('ward-3', 'hospital'), group('office')]);
const idle: Place = { device: 'tc-1', group: 'ward-3', isInUse: false, user: undefined };

test('a change of the configuration reaches those whom a target of it may fit', () => {
  const reaches = (target: object, place: Partial<Place> = {}) =>
    createReachFilter({ kind: 'targets', targets: [target] }, config)({ ...idle, ...place });
  assert.equal(reaches({ site: true }), true);
  assert.equal(reaches({ device: 'tc-1' }), true);
  assert.equal(reaches({ device: 'tc-2' }), false);
  assert.equal(reaches({ deviceGroup: 'ward-3' }), true);
  assert.equal(reaches({ deviceGroup: 'hospital' }), true, 'a group within it');
  assert.equal(reaches({ deviceGroup: 'office' }), false);
  assert.equal(reaches({ deviceGroup: 'ward-3' }, { group: undefined }), false);
  assert.equal(reaches({ userGroup: 'nurses' }), false, 'nobody is signed in');
  assert.equal(reaches({ userGroup: 'nurses' }, { isInUse: true }), true);
  assert.equal(reaches({ user: 'alice' }, { isInUse: true, user: 'bob' }), false);
  assert.equal(reaches({ user: 'alice' }, { isInUse: true, user: undefined }), true, 'who it is, is not known');
});

test('everybody is reached, or nobody', () => {
  assert.equal(createReachFilter(EVERYBODY, config)(idle), true);
  assert.equal(createReachFilter(NOBODY, config)(idle), false);
});
