import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithinWeekHours, msUntilWithinWeekHours, WEEK_HOURS_BYTES, weekHours } from './week-hours.ts';

/** Only this hour of the week, from Sunday 0:00 UTC on. */
function onlyHour(hour: number): string {
  const bytes = new Uint8Array(WEEK_HOURS_BYTES);
  bytes[hour >> 3] = 1 << (hour & 7);
  return weekHours(bytes) ?? assert.fail('a week has hours');
}

test('each hour of a week is its own bit, in UTC, and the next week is the same', () => {
  // A Sunday.
  const sundayMs = Date.UTC(2026, 10, 22);
  for (let hour = 0; hour < 7 * 24; hour += 1) {
    const hours = onlyHour(hour);
    for (const weeks of [-3_000, 0, 1]) {
      const beginsMs = sundayMs + (hour + weeks * 7 * 24) * 3_600_000;
      assert.ok(isWithinWeekHours(hours, beginsMs), `${hour}`);
      assert.ok(isWithinWeekHours(hours, beginsMs + 3_599_999), `${hour}`);
      assert.ok(!isWithinWeekHours(hours, beginsMs - 1), `${hour}`);
      assert.ok(!isWithinWeekHours(hours, beginsMs + 3_600_000), `${hour}`);
    }
  }
});

test('until one begins is told, up to a week', () => {
  const sundayMs = Date.UTC(2026, 10, 22);
  const hours = onlyHour(5);
  assert.equal(msUntilWithinWeekHours(hours, sundayMs + 1_000), 5 * 3_600_000 - 1_000);
  assert.equal(msUntilWithinWeekHours(hours, sundayMs + 5.5 * 3_600_000), 0);
  assert.equal(msUntilWithinWeekHours(hours, sundayMs + 6 * 3_600_000), (7 * 24 - 1) * 3_600_000);
  assert.equal(msUntilWithinWeekHours('A'.repeat(28), sundayMs), undefined);
});

test('all hours, and what is no week, are no rule; what cannot be read lets nobody in', () => {
  assert.equal(weekHours(new Uint8Array(WEEK_HOURS_BYTES).fill(0xff)), undefined);
  for (const length of [0, 20, 22]) assert.equal(weekHours(new Uint8Array(length)), undefined);
  const never = weekHours(new Uint8Array(WEEK_HOURS_BYTES));
  assert.ok(never !== undefined && !isWithinWeekHours(never, 0));
  for (const text of ['', '####', 'AAAA']) assert.equal(isWithinWeekHours(text, Date.UTC(2026, 0, 1)), false);
});
