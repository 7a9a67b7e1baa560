import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlannedObject } from './plan-apply.ts';
import { untoldFields } from './untold-fields.ts';

const profile = (connection: object, change: PlannedObject['change'] = 'updated'): PlannedObject => ({
  ...{ index: 0, kind: 'Profile', name: 'p', change, system: {} },
  body: { connections: [{ name: 'c', ...connection }] },
});

test('a field of which nothing comes on the device is told of, where the profile changes', () => {
  const citrix = { type: 'citrix', storeUrl: 'https://a/store', clipboard: false, audio: 'off' };
  assert.deepEqual(untoldFields([profile(citrix)]), [
    'Profile p: body.connections.0 (c): the client of citrix is not told of clipboard, audio',
  ]);
  assert.deepEqual(untoldFields([profile(citrix, 'unchanged')]), []);
  assert.deepEqual(untoldFields([profile({ type: 'rdp', host: 'a', clipboard: false })]), []);
});

test('an AVD resource that is named in part is told of: the workspace would be subscribed to, and nothing opened', () => {
  const avd = { type: 'avd', workspaceUrl: 'https://a/' };
  assert.deepEqual(untoldFields([profile(avd), profile({ ...avd, workspaceId: 'w', resource: 'r', user: 'u' })]), []);
  assert.match(
    untoldFields([profile({ ...avd, resource: 'r' })]).join(),
    /takes workspaceId, resource and user together/,
  );
});
