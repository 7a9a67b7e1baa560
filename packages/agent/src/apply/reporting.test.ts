import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, DEFAULT_OFFLINE_RULES, type DeviceBundle, type UserBundle } from '@thinman/protocol';
import { createReporting } from './reporting.ts';

const version = { epoch: 1, generation: 4 };
const id = '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11';
const device: DeviceBundle = {
  ...{ version, etag: 'd1', device: { id, name: 'tc-1', group: null }, profile: { connections: [] } },
  ...{ settings: { 'display.scale': 2, 'network.proxy.url': '' }, timings: DEFAULT_AGENT_TIMINGS },
};
const user: UserBundle = {
  ...{
    version,
    etag: 'u1',
    user: { id, name: 'alice', displayName: null, groups: [] },
    offline: DEFAULT_OFFLINE_RULES,
  },
  ...{ settings: { 'locale.language': 'it' }, profile: { connections: [] } },
};
const APPLIED = { result: 'applied' } as const;
const FAILED = { result: 'failed', why: 'no' } as const;

test('a section that nothing applies here is handed over by the file, and is as that is', () => {
  const told = createReporting(undefined).after({ device, user: null }, { files: FAILED, network: APPLIED });
  assert.deepEqual(
    told.map(({ data }) => data.sections),
    [{ display: FAILED, files: FAILED, network: APPLIED }],
  );
});

test('nothing is told twice, and everything that changes is: another bundle, another result', () => {
  const reporting = createReporting(undefined);
  const count = (results = {}, etag = 'd1') =>
    reporting.after({ device: { ...device, etag }, user: null }, results).length;
  assert.equal(count({ network: FAILED }), 1);
  assert.equal(count({ network: FAILED }), 0);
  assert.equal(count({ network: APPLIED }), 1);
  assert.equal(count({ network: APPLIED }, 'd2'), 1);
});

test('after a restart only what is new is told', () => {
  const [first] = createReporting(undefined).after({ device, user: null }, {});
  const again = createReporting({ etag: 'd1', sections: first?.data.sections ?? {} });
  assert.deepEqual(again.after({ device, user: null }, {}), []);
});

test('a session that begins with a bundle that was here already tells only what does not work of it', () => {
  const sections = { display: APPLIED, files: APPLIED, network: APPLIED };
  const reporting = createReporting({ etag: 'd1', sections });
  reporting.known('u1');
  assert.deepEqual(reporting.after({ device, user }, {}), []);
  const failed = reporting.after({ device, user }, { locale: FAILED });
  assert.deepEqual(
    failed.filter(({ data }) => data.which === 'user').map(({ data }) => data.sections?.locale),
    [FAILED],
  );
  reporting.after({ device, user: null }, {});
  const fresh = createReporting({ etag: 'd1', sections }).after({ device, user }, {});
  assert.deepEqual(
    fresh.map(({ user: whose, data }) => [whose, data.which, data.etag]),
    [['alice', 'user', 'u1']],
  );
});
