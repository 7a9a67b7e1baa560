import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renewalDueAtMs } from './renewal.ts';

const DAY_MS = 24 * 3_600_000;
const SITE_LIFETIME_MS = 300 * DAY_MS;
const dueAfterDays = (issuedAtMs: number | undefined, expiresAtMs: number, draw = 0.5) =>
  Math.round(renewalDueAtMs({ issuedAtMs, expiresAtMs }, SITE_LIFETIME_MS, draw) / DAY_MS);

test('a certificate is due at two thirds of its own lifetime, whatever the site gives today', () => {
  assert.equal(dueAfterDays(0, 90 * DAY_MS), 60);
});

test('devices of one day are spread over a tenth of the lifetime', () => {
  assert.equal(dueAfterDays(0, 300 * DAY_MS, 0), 185);
  assert.equal(dueAfterDays(0, 300 * DAY_MS, 0.999), 215);
});

test('where the time of issue is not known, what remains is measured against the lifetime of the site', () => {
  assert.equal(dueAfterDays(undefined, 1_000 * DAY_MS), 900);
});

test('a time of issue that a dead clock gave counts as not known', () => {
  const expiresAtMs = 20_000 * DAY_MS;
  assert.equal(dueAfterDays(0, expiresAtMs), 19_900);
  assert.equal(dueAfterDays(expiresAtMs + 1, expiresAtMs), 19_900);
});
