import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isWithinHours, type LoginHours, msUntilWithinHours } from '@thinman/protocol';
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

describe('Until login hours begin', () => {
  const until = (at: string, zone: string, ...times: readonly string[]) => {
    const ms = msUntilWithinHours({ timeZone: zone, times: times.map(spanOf) }, Date.parse(at));
    return ms === undefined ? undefined : new Date(Date.parse(at) + ms).toISOString();
  };

  test('is told to the minute, by the clock on the wall there', () => {
    const days = 'monday-friday 07:00-19:00';
    assert.equal(until('2026-11-27T03:12:40.500Z', 'Europe/Rome', days), '2026-11-27T06:00:00.000Z', 'this morning');
    assert.equal(until('2026-11-27T18:00:00Z', 'Europe/Rome', days), '2026-11-30T06:00:00.000Z', 'over the weekend');
    assert.equal(until('2026-11-27T12:00:00Z', 'Europe/Rome', days), '2026-11-27T12:00:00.000Z', 'now');
    assert.equal(until('2026-11-27T18:00:00Z', 'UTC', 'friday 07:00-18:00'), '2026-12-04T07:00:00.000Z', 'in a week');
    assert.equal(until('2026-11-27T18:00:00Z', 'UTC', days, 'friday 22:00-06:00'), '2026-11-27T18:00:00.000Z');
    assert.equal(
      until('2026-11-27T19:30:00Z', 'UTC', days, 'friday 22:00-06:00'),
      '2026-11-27T22:00:00.000Z',
      'the next',
    );
  });

  test('is right over the ends of summer time', () => {
    assert.equal(until('2026-10-24T22:00:00Z', 'Europe/Rome', 'sunday 07:00-19:00'), '2026-10-25T06:00:00.000Z');
    assert.equal(until('2026-03-28T22:00:00Z', 'Europe/Rome', 'sunday 07:00-19:00'), '2026-03-29T05:00:00.000Z');
  });

  test('is never, where there are none or the zone is none', () => {
    assert.equal(until('2026-11-27T03:00:00Z', 'UTC'), undefined);
    assert.equal(until('2026-11-27T03:00:00Z', 'Nowhere/There', 'friday 07:00-19:00'), undefined);
  });
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
