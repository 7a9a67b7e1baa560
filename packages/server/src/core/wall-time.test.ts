import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentOf } from './wall-time.ts';

const CASES: readonly [at: string, timeZone: string, utc: string, why: string][] = [
  ['2026-12-01T06:00', 'Europe/Rome', '2026-12-01T05:00:00Z', 'winter'],
  ['2026-07-01T06:00', 'Europe/Rome', '2026-07-01T04:00:00Z', 'summer'],
  ['2027-03-28T01:59', 'Europe/Rome', '2027-03-28T00:59:00Z', 'the minute before the gap'],
  ['2027-03-28T02:30', 'Europe/Rome', '2027-03-28T01:30:00Z', 'in the gap: 03:30 on the wall'],
  ['2027-03-28T03:00', 'Europe/Rome', '2027-03-28T01:00:00Z', 'the minute after the gap'],
  ['2026-10-25T02:30', 'Europe/Rome', '2026-10-25T00:30:00Z', 'comes twice: the first'],
  ['2026-10-25T03:00', 'Europe/Rome', '2026-10-25T02:00:00Z', 'after what comes twice'],
  ['2027-03-14T02:15', 'America/New_York', '2027-03-14T07:15:00Z', 'a gap west of Greenwich'],
  ['2026-11-01T01:30', 'America/New_York', '2026-11-01T05:30:00Z', 'twice, west of Greenwich'],
  ['2026-10-04T02:10', 'Australia/Lord_Howe', '2026-10-03T15:40:00Z', 'a gap of half an hour'],
  ['2026-12-01T00:00', 'Asia/Kathmandu', '2026-11-30T18:15:00Z', 'minutes in the offset'],
  ['2026-12-01T06:00', 'UTC', '2026-12-01T06:00:00Z', 'UTC'],
];

for (const [at, timeZone, utc, why] of CASES) {
  test(`${at} in ${timeZone} is ${utc} (${why})`, () => {
    assert.equal(new Date(momentOf({ at, timeZone }) ?? Number.NaN).toISOString(), utc.replace('Z', '.000Z'));
  });
}

test('no such day, no such zone', () => {
  assert.equal(momentOf({ at: '2026-02-30T06:00', timeZone: 'Europe/Rome' }), undefined);
  assert.equal(momentOf({ at: '2026-13-01T06:00', timeZone: 'Europe/Rome' }), undefined);
  assert.equal(momentOf({ at: '2026-12-01T06:00', timeZone: 'Europe/Atlantis' }), undefined);
});
