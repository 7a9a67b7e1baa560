import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson } from '@thinman/protocol';
import fc from 'fast-check';
import { plannedSite } from '../../../../test/support/planned-site.ts';

const NAMES = ['a', 'b', 'c', 'd', 'é', 'Ω'] as const;
const name = fc.constantFrom(...NAMES);
const optional = <T>(key: string, values: fc.Arbitrary<T>) =>
  fc.oneof(
    fc.constant({}),
    values.map(value => ({ [key]: value })),
  );
const body = (...parts: fc.Arbitrary<object>[]) => fc.tuple(...parts).map(all => Object.assign({}, ...all) as object);
const object = (kind: string, bodies: fc.Arbitrary<object>) =>
  fc.record({ kind: fc.constant(kind), name, body: bodies });

const settings = body(
  optional('power', body(optional('screenOffAfterMinutes', fc.nat(1440)))),
  optional('keyboard', body(optional('layout', fc.constantFrom('it', 'us')))),
  optional('usb', body(optional('allow', fc.uniqueArray(fc.constantFrom('class:03', 'class:08'))))),
);
const connections = fc.uniqueArray(
  fc.record({ name, type: fc.constant('web'), url: fc.constantFrom('https://a.example', 'https://b.example') }),
  { selector: ({ name: of }) => of, maxLength: 3 },
);

/** Objects of most kinds, whose references may or may not lead somewhere, and whose groups may go in circles. */
const anyObject = fc.oneof(
  object('UserGroup', body(optional('parent', name))),
  object('DeviceGroup', body(optional('parent', name), optional('description', fc.string({ maxLength: 5 })))),
  object(
    'User',
    body(
      optional('groups', fc.uniqueArray(name, { maxLength: 3 })),
      optional('disabled', fc.boolean()),
      optional('password', fc.constantFrom('password-1', 'password-2')),
    ),
  ),
  object(
    'Policy',
    settings.map(given => ({ settings: given })),
  ),
  object(
    'Profile',
    connections.map(given => ({ connections: given })),
  ),
  object(
    'Assignment',
    fc
      .tuple(
        fc.constantFrom('policy', 'profile'),
        name,
        body(optional('userGroup', name), optional('deviceGroup', name)),
      )
      .map(([what, of, to]) => ({ [what]: of, to })),
  ),
);
const someObjects = fc.uniqueArray(anyObject, { selector: ({ kind, name: of }) => `${kind}/${of}`, maxLength: 14 });

/** What of these an `apply` would take: leaves out one refused object after the other. */
async function acceptable<T>(objects: readonly T[]): Promise<readonly T[]> {
  const plan = await plannedSite().plan(objects);
  if (plan.kind !== 'refused') return objects;
  const wrong = new Set(plan.problems.map(({ index }) => index));
  return acceptable(objects.filter((_, at) => !wrong.has(at)));
}

test('applying what get gave is no change, with generation and read-only facts as without', async () => {
  await fc.assert(
    fc.asyncProperty(someObjects, async objects => {
      const site = plannedSite();
      const taken = await acceptable(objects);
      await site.apply(...taken);
      const given = site.given();
      const bare = given.map(({ kind, name: of, body: is }) => ({ kind, name: of, body: is }));
      for (const again of [given, bare, taken]) {
        assert.ok((await site.apply(...again)).every(change => change === 'unchanged'));
      }
    }),
  );
});

test('the order of the documents changes neither the site that comes of them nor the mistakes that are told', async () => {
  const shuffled = someObjects.chain(objects =>
    fc.tuple(fc.constant(objects), fc.shuffledSubarray(objects, { minLength: objects.length })),
  );
  await fc.assert(
    fc.asyncProperty(shuffled, async ([objects, others]) => {
      const told = async (list: readonly unknown[]) => {
        const plan = await plannedSite().plan(list);
        if (plan.kind === 'planned') {
          const items = plan.items.map(({ index: _index, ...item }) => canonicalJson(item));
          return items.toSorted();
        }
        assert.ok(plan.kind === 'refused');
        // A circle is told at whichever of its groups comes first: compared as the groups that are on it.
        return plan.problems
          .map(({ kind, name: of, field, message }) => {
            const [, way] = /circle: (.*)/.exec(message) ?? [];
            return way === undefined
              ? `${kind} ${of} ${field} ${message}`
              : `${kind} circle ${[...new Set(way.split(' → '))].toSorted()}`;
          })
          .toSorted();
      };
      assert.deepEqual(await told(others), await told(objects));
    }),
  );
});

test('nothing that is planned leads nowhere: every name in the site that comes of it is there', async () => {
  await fc.assert(
    fc.asyncProperty(someObjects, someObjects, async (first, second) => {
      const site = plannedSite();
      await site.apply(...(await acceptable(first)));
      const plan = await site.plan(second);
      if (plan.kind !== 'planned') return;
      await site.apply(...second);
      assert.deepEqual(await site.mistakes(...site.given()), []);
    }),
  );
});
