import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { canonicalJson, DeviceFacts, OBJECT_KINDS, type ObjectKind, parseJson, parseValue } from '@thinman/protocol';
import Type from 'typebox';
import { resolvePolicy } from '../../packages/server/src/core/resolve-policy.ts';
import { resolveProfile } from '../../packages/server/src/core/resolve-profile.ts';
import { createSiteIndex } from '../../packages/server/src/core/site-index.ts';

const Case = Type.Object({
  rule: Type.String(),
  objects: Type.Array(
    Type.Object({ kind: Type.String(), name: Type.String(), body: Type.Record(Type.String(), Type.Unknown()) }),
  ),
  subject: Type.Object({
    device: Type.Object({
      name: Type.String(),
      group: Type.Optional(Type.String()),
      attributes: Type.Optional(Type.Record(Type.String(), Type.String())),
      facts: Type.Optional(DeviceFacts),
    }),
    user: Type.Optional(Type.Object({ name: Type.String(), groups: Type.Array(Type.String()) })),
  }),
  settings: Type.Record(
    Type.String(),
    Type.Object({
      value: Type.Unknown(),
      origin: Type.String(),
      overrides: Type.Array(Type.String()),
      enforced: Type.Optional(Type.Boolean()),
      united: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  connections: Type.Optional(
    Type.Array(Type.Object({ value: Type.Unknown(), origin: Type.String(), overrides: Type.Array(Type.String()) })),
  ),
});
const Spec = Type.Object({ what: Type.String(), cases: Type.Array(Case) });

const MAX_SPEC_CHARS = 1_000_000;
const parsed = parseJson(Spec, readFileSync(`${import.meta.dirname}/resolve-policy.json`, 'utf8'), MAX_SPEC_CHARS);
assert.ok(parsed.ok, JSON.stringify(parsed));

const assignmentsOf = (from: readonly { readonly origin: { readonly assignment: string } }[]) =>
  from.map(({ origin }) => origin.assignment);

describe('resolution', () => {
  test('has at least a hundred cases, each about a rule of its own', () => {
    const rules = new Set(parsed.value.cases.map(({ rule }) => rule));
    assert.ok(rules.size >= 100 && rules.size === parsed.value.cases.length, String(rules.size));
  });

  for (const { rule, objects, subject, settings, connections = [] } of parsed.value.cases) {
    test(rule, () => {
      for (const { kind, body } of objects) {
        const valid = parseValue(OBJECT_KINDS[kind as ObjectKind], body);
        assert.ok(valid.ok, `${kind}: ${JSON.stringify(valid)}`);
      }
      const { config } = createSiteIndex(
        objects.map(({ kind, name, body }) => ({ kind: kind as ObjectKind, name, body, deleted: false })),
      );
      const { user, device } = subject;
      const asked = { device, ...(user !== undefined && { user }) };

      const resolved = Object.entries(resolvePolicy(config, asked)).map(([key, found]) => [
        key,
        {
          value: found.value,
          origin: found.origin.assignment,
          overrides: assignmentsOf(found.overrides),
          ...(found.enforced && { enforced: true }),
          ...(found.united && { united: assignmentsOf(found.united) }),
        },
      ]);
      assert.equal(canonicalJson(Object.fromEntries(resolved)), canonicalJson(settings));

      const profile = resolveProfile(config, asked);
      assert.deepEqual(
        profile.connections.map(value => ({
          value,
          origin: profile.origins[value.name]?.assignment,
          overrides: assignmentsOf(profile.overrides[value.name] ?? []),
        })),
        connections,
      );
    });
  }
});
