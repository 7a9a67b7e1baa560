import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resolvePolicy } from '../../packages/server/src/core/resolve-policy.ts';
import { resolveProfile } from '../../packages/server/src/core/resolve-profile.ts';
import { createSiteIndex } from '../../packages/server/src/core/site-index.ts';
import {
  type PlainObject,
  type PlainSubject,
  referenceConnections,
  referenceSettings,
} from './reference-resolution.ts';

const GROUPS = ['g0', 'g1', 'g2', 'g3', 'g4'];
const NAMES = ['p0', 'p1', 'p2', 'p3'];
const RUNS = 2_000;

/** Parents are earlier groups, as apply leaves it. */
const groups = (kind: 'DeviceGroup' | 'UserGroup') =>
  fc.tuple(...GROUPS.map((_, at) => fc.option(fc.nat({ max: Math.max(0, at - 1) }), { nil: undefined }))).map(parents =>
    GROUPS.map((name, at): PlainObject => {
      const parent = at === 0 ? undefined : parents[at];
      return { kind, name, body: parent === undefined ? {} : { parent: GROUPS[parent] } };
    }),
  );

const VALUES = {
  'keyboard.layout': fc.constantFrom('it', 'de', 'us'),
  'usb.allow': fc.subarray(['class:01', 'class:02', 'class:03']),
  'power.screenOffAfterMinutes': fc.nat({ max: 9 }),
  'network.wifi.networks': fc.subarray([{ ssid: 'a' }, { ssid: 'b', hidden: true }]),
};
const policy = fc
  .record(
    { settings: fc.record(VALUES, { requiredKeys: [] }), scope: fc.constantFrom('device', 'user') },
    { requiredKeys: ['settings'] },
  )
  .chain(body => fc.record({ body: fc.constant(body), enforced: fc.subarray(Object.keys(body.settings)) }))
  .map(({ body, enforced }) => ({ ...body, enforced }));

const profile = fc.record({
  connections: fc
    .subarray(['c0', 'c1', 'c2'])
    .chain(names =>
      fc.tuple(
        ...names.map(name => fc.constantFrom('https://a', 'https://b').map(url => ({ name, type: 'web', url }))),
      ),
    ),
});

const to = fc
  .record(
    {
      site: fc.constant(true),
      deviceGroup: fc.constantFrom(...GROUPS),
      device: fc.constantFrom('tc-1', 'tc-2'),
      userGroup: fc.constantFrom(...GROUPS),
      user: fc.constantFrom('alice', 'bob'),
    },
    { requiredKeys: [] },
  )
  .filter(target => Object.keys(target).length > 0);
const patterns = fc.subarray(['a*', '*b', 'a.b', '*'], { minLength: 1 });
const where = fc.option(
  fc.record(
    {
      model: patterns,
      os: patterns,
      subnet: fc.subarray(['10.0.0.0/8', '10.3.0.0/17', '192.0.2.4/31'], { minLength: 1 }),
      attribute: fc.record({ ward: patterns }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  ),
  { nil: undefined, freq: 3 },
);

const assignments = fc
  .array(
    fc.record(
      {
        policy: fc.constantFrom(...NAMES, 'gone'),
        profile: fc.constantFrom(...NAMES),
        to,
        where,
        priority: fc.integer({ min: -1, max: 1 }),
      },
      { requiredKeys: ['to'] },
    ),
    { maxLength: 25 },
  )
  .map(all => all.map((body, at): PlainObject => ({ kind: 'Assignment', name: `a${at}`, body })));

const site = fc
  .tuple(
    groups('DeviceGroup'),
    groups('UserGroup'),
    fc.tuple(...NAMES.map(() => policy)),
    fc.tuple(...NAMES.map(() => profile)),
    assignments,
  )
  .map(([deviceGroups, userGroups, policies, profiles, assigned]): PlainObject[] => [
    ...deviceGroups,
    ...userGroups,
    ...policies.map((body, at): PlainObject => ({ kind: 'Policy', name: NAMES[at] ?? '', body })),
    ...profiles.map((body, at): PlainObject => ({ kind: 'Profile', name: NAMES[at] ?? '', body })),
    ...assigned,
  ]);

const text = fc.constantFrom('a', 'ab', 'a.b', 'axb', 'B', '');
const subject: fc.Arbitrary<PlainSubject> = fc.record(
  {
    device: fc.record(
      {
        name: fc.constant('tc-1'),
        group: fc.constantFrom(...GROUPS),
        attributes: fc.record({ ward: text }, { requiredKeys: [] }),
        facts: fc.record(
          { model: text, os: text, address: fc.constantFrom('10.3.0.7', '10.3.200.7', '192.0.2.5', '198.51.100.1') },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: ['name'] },
    ),
    user: fc.record({ name: fc.constant('alice'), groups: fc.subarray(GROUPS) }),
  },
  { requiredKeys: ['device'] },
);

test('a slow and plain resolution finds the same values and origins in random sites', () => {
  fc.assert(
    fc.property(site, subject, (objects, of) => {
      const { config } = createSiteIndex(objects.map(object => ({ ...object, deleted: false })));
      const settings = Object.entries(resolvePolicy(config, of)).map(([key, { value, origin, united }]) => [
        key,
        { value, from: united?.map(each => each.origin.assignment) ?? [origin.assignment] },
      ]);
      assert.deepEqual(Object.fromEntries(settings), referenceSettings(objects, of));
      const { connections, origins } = resolveProfile(config, of);
      const found = connections.map(value => [value.name, { value, from: [origins[value.name]?.assignment] }]);
      assert.deepEqual(Object.fromEntries(found), referenceConnections(objects, of));
    }),
    { numRuns: RUNS },
  );
});
