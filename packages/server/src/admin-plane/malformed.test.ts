import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Problem, parseValue, SETTINGS, type Setting } from '@thinman/protocol';
import { createAdminSite } from '../../../../test/support/admin-site.ts';

type Malformed = { readonly what: string; readonly body: unknown; readonly field: string };

/** Values that some setting takes, and most do not. */
const VALUES: readonly unknown[] = [
  ...[null, true, -1, 0.3, 1e9, '', 'x', ' ', '10', 'a b;c', '../etc', `$\{user.nmae}`, '${', '#123456', '24:00'],
  ...[
    [],
    [1],
    [null],
    [['x']],
    ['a b'],
    [{}],
    {},
    { x: 1 },
    { from: 1 },
    [{ name: '' }],
    [{ ssid: 'a', passphrase: 'x' }],
  ],
];

const policyWith = (key: string, value: unknown, more: object = {}) => ({ settings: { [key]: value }, ...more });
/** As somebody writes who looks away: two neighbours changed. */
const misspelt = (key: string) => `${key.slice(0, -2)}${key.at(-1)}${key.at(-2)}x`;

function malformedOf({ key, schema, scope, default: value }: Setting): readonly Malformed[] {
  const field = `body.settings.${key}`;
  const wrong = VALUES.filter(one => !parseValue(schema, one).ok);
  return [
    ...wrong.map(one => ({ what: `${key} = ${JSON.stringify(one)}`, body: policyWith(key, one), field })),
    { what: `${misspelt(key)}`, body: policyWith(misspelt(key), value), field: `body.settings.${misspelt(key)}` },
    { what: `${key} below itself`, body: policyWith(`${key}.inner`, value), field: `${field}.inner` },
    { what: `${key} enforced, not set`, body: { settings: {}, enforced: [key] }, field: 'body.enforced.0' },
    ...(scope === 'device'
      ? [{ what: `${key} of users`, body: policyWith(key, value, { scope: 'user' }), field }]
      : []),
  ];
}

const STRUCTURE: readonly Malformed[] = [
  { what: 'nothing', body: {}, field: 'body.settings' },
  ...[null, [], 'x', 7].map(settings => ({
    what: `settings: ${JSON.stringify(settings)}`,
    body: { settings },
    field: 'body.settings',
  })),
  { what: 'another scope', body: { scope: 'all', settings: {} }, field: 'body.scope' },
  { what: 'another field', body: { settings: {}, enforce: [] }, field: 'body.enforce' },
  { what: 'enforced as a text', body: { settings: {}, enforced: 'display.scale' }, field: 'body.enforced' },
  {
    what: 'a setting twice',
    body: { settings: { display: { scale: 1 }, 'display.scale': 2 } },
    field: 'body.settings.display.scale',
  },
];

test('a thousand malformed policies: each is refused with its field and a reason, and nothing of it is applied', async () => {
  const site = await createAdminSite();
  try {
    const all = [...[...SETTINGS.values()].flatMap(malformedOf), ...STRUCTURE];
    assert.ok(all.length >= 1_000, String(all.length));
    const generation = () => site.deps.replica.position()?.version.generation;
    const before = generation();
    for (const { what, body, field } of all) {
      const good = { kind: 'DeviceGroup', name: 'good', body: {} };
      const answer = await site.ask('POST', '/apply', {
        body: { objects: [good, { kind: 'Policy', name: 'bad', body }] },
      });
      assert.equal(answer.status, 422, `${what}: ${JSON.stringify(answer.body)}`);
      const { problems = [] } = answer.body as Problem;
      assert.ok(problems.length > 0, what);
      for (const problem of problems) {
        assert.ok(problem.field === field || problem.field.startsWith(`${field}.`), `${what}: ${problem.field}`);
        assert.ok(problem.message.length > 5, `${what}: ${problem.message}`);
        assert.deepEqual([problem.kind, problem.name, problem.index], ['Policy', 'bad', 1], what);
      }
    }
    assert.equal(generation(), before);
    assert.equal((await site.deps.record.site())?.version.generation, before);
    assert.equal(site.deps.replica.get('DeviceGroup', 'good'), undefined);
  } finally {
    await site.close();
  }
});
