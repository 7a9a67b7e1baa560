import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Held, nextUse, whomToForget } from '../../packages/agent/src/core/retention.ts';

type Case = {
  readonly rule: string;
  readonly maxUsers: number;
  readonly atWork?: string;
  readonly held: readonly (readonly [user: string, used: number | null, lastOnlineMs?: number])[];
  readonly gone: readonly string[];
};
const { cases } = JSON.parse(readFileSync(`${import.meta.dirname}/retention.json`, 'utf8')) as { cases: Case[] };
const heldAs = (user: string, used: number | null, lastOnlineMs = 0): Held => ({
  ...{ user, userId: `id-${user}`, lastOnlineMs },
  ...(used !== null && { used }),
});

describe('whom a device forgets', () => {
  for (const { rule, maxUsers, atWork, held, gone } of cases) {
    test(rule, () => {
      const rows = held.map(row => heldAs(...row));
      const idAtWork = atWork === undefined ? undefined : `id-${atWork}`;
      assert.deepEqual(whomToForget(rows, { maxUsers, atWork: idAtWork }), gone);
    });
  }
});

test('logins in any order: never more than allowed beside whoever works there, who stays; nobody goes before one who was there longer ago', () => {
  const names = fc.constantFrom(...'abcdefghij');
  const steps = fc.array(fc.record({ user: names, stays: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 6 }), (logins, maxUsers) => {
      let held: readonly Held[] = [];
      const order: string[] = [];
      for (const { user, stays } of logins) {
        held = [...held.filter(row => row.user !== user), heldAs(user, nextUse(held))];
        order.splice(0, order.length, ...order.filter(each => each !== user), user);
        const atWork = stays ? `id-${user}` : undefined;
        const gone = whomToForget(held, { maxUsers, atWork });
        held = held.filter(row => !gone.includes(row.user));
        assert.ok(held.length <= Math.max(maxUsers, stays ? 1 : 0));
        assert.ok(!gone.includes(user) || !stays);
        // Those that are left are the last ones that were here.
        const kept = order.slice(order.length - held.length);
        assert.deepEqual(new Set(held.map(row => row.user)), new Set(kept));
        order.splice(0, order.length, ...kept);
      }
    }),
  );
});
