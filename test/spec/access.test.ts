import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isWithinHours, type LoginHours } from '@thinman/protocol';
import { type Access, accessOf } from '../../packages/server/src/core/access.ts';
import type { ResolvedPolicy } from '../../packages/server/src/core/resolve-policy.ts';
import { decideSession } from '../../packages/server/src/core/session-limit.ts';
import { createSiteIndex } from '../../packages/server/src/core/site-index.ts';

type Day = LoginHours['times'][number]['days'][number];
const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

const spec = JSON.parse(readFileSync(`${import.meta.dirname}/access.json`, 'utf8')) as {
  hours: { rule: string; times: string[]; zone: string; at: string; permitted: boolean }[];
  places: { rule: string; settings: Record<string, unknown>; permitted: boolean }[];
  sessions: {
    rule: string;
    max: number;
    whenTooMany?: Access['whenTooMany'];
    others: number[];
    proved?: number;
    then: string;
  }[];
};

describe('Login hours', () => {
  for (const { rule, times, zone, at, permitted } of spec.hours) {
    test(rule, () => {
      const hours: LoginHours = { timeZone: zone, times: times.map(spanOf) };
      assert.equal(isWithinHours(hours, Date.parse(at)), permitted);
    });
  }
});

describe('Who may log in where', () => {
  const group = (kind: 'UserGroup' | 'DeviceGroup', name: string, parent?: string) => {
    const body = parent === undefined ? {} : { parent };
    return { kind, name, body, deleted: false } as const;
  };
  const { config } = createSiteIndex([
    group('UserGroup', 'staff'),
    group('UserGroup', 'nurses', 'staff'),
    group('UserGroup', 'night-nurses', 'nurses'),
    group('DeviceGroup', 'hospital'),
    group('DeviceGroup', 'ward-3', 'hospital'),
    group('DeviceGroup', 'ward-4', 'hospital'),
  ]);
  const subject = { device: { name: 'tc-1', group: 'ward-3' }, user: { name: 'alice', groups: ['nurses'] } };

  for (const { rule, settings, permitted } of spec.places) {
    test(rule, () => {
      assert.equal(accessOf(config, subject, resolved(settings)).isPlace, permitted);
    });
  }

  test('hours without a zone are by that of the device', () => {
    const hours = { times: [] };
    const zoneOf = (more: object) => accessOf(config, subject, resolved({ 'access.hours': hours, ...more })).hours;
    assert.deepEqual(zoneOf({ 'locale.timeZone': 'Europe/Rome' }), { timeZone: 'Europe/Rome', times: [] });
    assert.deepEqual(zoneOf({}), { timeZone: 'UTC', times: [] });
  });
});

describe('How many sessions', () => {
  for (const { rule, max, whenTooMany = 'endOldest', others, proved, then } of spec.sessions) {
    test(rule, () => {
      const open = others.map(sinceMs => ({ loginId: `${sinceMs}`, sinceMs }));
      const decided = decideSession({ maxSessions: max, whenTooMany }, open, proved);
      const ends = decided.kind === 'open' && decided.ends.length > 0 ? `, ends ${decided.ends.join(' ')}` : '';
      assert.equal(`${decided.kind}${ends}`, then);
    });
  }
});

function resolved(settings: Readonly<Record<string, unknown>>): ResolvedPolicy {
  const origin = { kind: 'Policy', name: 'p', assignment: 'a' } as const;
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, { value, origin, enforced: false, overrides: [] }]),
  );
}

/** `monday-friday 07:00-19:00`. */
function spanOf(text: string): LoginHours['times'][number] {
  const [days = '', span = ''] = text.split(' ');
  const [first = '', last = first] = days.split('-');
  const [from = '', to = ''] = span.split('-');
  const [begin, end] = [DAYS.indexOf(first as Day), DAYS.indexOf(last as Day)];
  return { days: DAYS.slice(begin, end + 1), from, to };
}
