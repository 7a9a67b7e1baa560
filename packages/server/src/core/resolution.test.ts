import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObjectKind } from '@thinman/protocol';
import fc from 'fast-check';
import { resolvePolicy } from './resolve-policy.ts';
import { resolveProfile } from './resolve-profile.ts';
import type { Subject } from './site-config.ts';
import { createSiteIndex } from './site-index.ts';

type Plain = {
  readonly kind: ObjectKind;
  readonly name: string;
  readonly body: Record<string, unknown>;
  readonly deleted: boolean;
};

const GROUPS = ['g0', 'g1', 'g2', 'g3'];
const POLICIES = ['p0', 'p1', 'p2', 'p3'];
const KEYS = ['keyboard.layout', 'usb.allow', 'power.screenOffAfterMinutes'];

const live = (kind: ObjectKind, name: string, body: Record<string, unknown>): Plain => ({
  kind,
  name,
  body,
  deleted: false,
});

/** Parents are earlier groups: a forest without cycles, as apply leaves it. */
const groups = (kind: 'DeviceGroup' | 'UserGroup') =>
  fc.tuple(...GROUPS.map((_, i) => fc.option(fc.nat({ max: Math.max(0, i - 1) }), { nil: undefined }))).map(parents =>
    GROUPS.map((name, i) => {
      const parent = i === 0 ? undefined : parents[i];
      return live(kind, name, parent === undefined ? {} : { parent: GROUPS[parent] });
    }),
  );

const policy = fc
  .record({
    scope: fc.option(fc.constantFrom('device', 'user'), { nil: undefined }),
    layout: fc.option(fc.constantFrom('it', 'de', 'us'), { nil: undefined }),
    usb: fc.option(fc.uniqueArray(fc.constantFrom('class:01', 'class:02', 'class:03')), { nil: undefined }),
    screen: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
    enforced: fc.subarray(KEYS),
  })
  .map(({ scope, layout, usb, screen, enforced }) => ({
    ...(scope && { scope }),
    settings: {
      ...(layout && { keyboard: { layout } }),
      ...(usb && { usb: { allow: usb } }),
      ...(screen !== undefined && { power: { screenOffAfterMinutes: screen } }),
    },
    enforced,
  }));

const target = fc
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
  .filter(to => Object.keys(to).length > 0);

const assignments = fc.array(
  fc.record({ policy: fc.constantFrom(...POLICIES), to: target, priority: fc.integer({ min: -1, max: 1 }) }),
  { maxLength: 12 },
);

const site = fc
  .tuple(groups('DeviceGroup'), groups('UserGroup'), fc.tuple(...POLICIES.map(() => policy)), assignments)
  .map(([deviceGroups, userGroups, policies, assigned]) => [
    ...deviceGroups,
    ...userGroups,
    ...policies.map((body, i) => live('Policy', POLICIES[i] ?? '', body)),
    ...policies.map((_, i) =>
      live('Profile', POLICIES[i] ?? '', {
        connections: [{ name: `c${i % 2}`, type: 'web', url: `https://p${i}.example.org` }],
      }),
    ),
    ...assigned.map((body, i) => live('Assignment', `a${i}`, { ...body, profile: body.policy })),
  ]);

const subject: fc.Arbitrary<Subject> = fc.record(
  {
    device: fc.record({ name: fc.constant('tc-1'), group: fc.constantFrom(...GROUPS) }, { requiredKeys: ['name'] }),
    user: fc.record({ name: fc.constant('alice'), groups: fc.subarray(GROUPS) }),
  },
  { requiredKeys: ['device'] },
);

const resolve = (objects: readonly Plain[], of: Subject) => {
  const { config } = createSiteIndex(objects);
  return { settings: resolvePolicy(config, of), profile: resolveProfile(config, of) };
};

describe('resolution over random sites', () => {
  test('does not depend on the order in which objects were stored', () => {
    fc.assert(
      fc.property(
        site.chain(objects =>
          fc.tuple(fc.constant(objects), fc.shuffledSubarray(objects, { minLength: objects.length })),
        ),
        subject,
        ([objects, shuffled], of) => assert.deepEqual(resolve(shuffled, of), resolve(objects, of)),
      ),
    );
  });

  test('a value has exactly one origin, which gave it, and every other word on the key is told', () => {
    fc.assert(
      fc.property(site, subject, (objects, of) => {
        const byName = new Map(objects.map(object => [`${object.kind}/${object.name}`, object]));
        for (const [key, found] of Object.entries(resolve(objects, of).settings)) {
          const [section = '', name = ''] = key.split('.');
          const given = (origin: { name: string }) => {
            const body = byName.get(`Policy/${origin.name}`)?.body as {
              settings: Record<string, Record<string, unknown>>;
            };
            return body.settings[section]?.[name];
          };
          if (found.united === undefined) assert.deepEqual(given(found.origin), found.value);
          else assert.deepEqual(found.united.at(-1)?.origin, found.origin);
          for (const { value, origin } of [...found.overrides, ...(found.united ?? [])])
            assert.deepEqual(given(origin), value);
          const told = [found.origin, ...[...found.overrides, ...(found.united ?? []).slice(0, -1)].map(o => o.origin)];
          assert.equal(new Set(told.map(({ assignment }) => assignment)).size, told.length);
        }
      }),
    );
  });

  test('a value that is enforced stays, whatever is assigned to stronger levels', () => {
    fc.assert(
      fc.property(site, subject, policy, (objects, of, stronger) => {
        const before = resolve(objects, of).settings;
        const more = [
          live('Policy', 'more', { ...stronger, enforced: [] }),
          live('Assignment', 'a-user', { policy: 'more', to: { user: 'alice' }, priority: 9 }),
          live('Assignment', 'a-device', { policy: 'more', to: { device: 'tc-1' }, priority: 9 }),
        ];
        const after = resolve([...objects, ...more], of).settings;
        for (const [key, { enforced, value, origin }] of Object.entries(before)) {
          if (enforced) assert.deepEqual({ value: after[key]?.value, origin: after[key]?.origin }, { value, origin });
        }
      }),
    );
  });

  test('an index that followed every change answers like one built anew', () => {
    const steps = fc.tuple(site, site, fc.infiniteStream(fc.boolean()));
    fc.assert(
      fc.property(steps, subject, ([first, second, keep], of) => {
        const index = createSiteIndex(first);
        const held = new Map(first.map(object => [`${object.kind}/${object.name}`, object]));
        for (const object of second) {
          const change = { ...object, deleted: !keep.next().value };
          index.update(change);
          if (change.deleted) held.delete(`${object.kind}/${object.name}`);
          else held.set(`${object.kind}/${object.name}`, change);
        }
        const anew = resolve([...held.values()], of);
        assert.deepEqual(resolvePolicy(index.config, of), anew.settings);
        assert.deepEqual(resolveProfile(index.config, of), anew.profile);
      }),
    );
  });

  test('ends on groups that form a cycle', () => {
    const objects = [live('DeviceGroup', 'g0', { parent: 'g1' }), live('DeviceGroup', 'g1', { parent: 'g0' })];
    const of = { device: { name: 'tc-1', group: 'g0' } };
    const assigned = [
      live('Policy', 'p', { settings: { display: { scale: 2 } } }),
      live('Assignment', 'a', { policy: 'p', to: { deviceGroup: 'g1' } }),
    ];
    assert.equal(resolve([...objects, ...assigned], of).settings['display.scale']?.value, 2);
  });
});
