import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_CROWD_MS } from '@thinman/protocol';
import { CROWD_MS_PER_DEVICE, createCrowd, LEAST_CROWD_MS } from './crowd.ts';

function make(first: number) {
  const seen = { devices: first, counts: 0, nowMs: 0 };
  const count = () => {
    seen.counts++;
    return seen.devices;
  };
  return { seen, crowd: createCrowd({ count }, { monotonicMs: () => seen.nowMs }) };
}

test('the more devices a site has, the longer they take to come; few may all come at once, and none stays away for long', () => {
  assert.equal(make(0).crowd(), undefined);
  assert.equal(make(LEAST_CROWD_MS / CROWD_MS_PER_DEVICE - 1).crowd(), undefined);
  assert.equal(make(2_000).crowd(), 2_000 * CROWD_MS_PER_DEVICE);
  assert.equal(make(1_000_000).crowd(), MAX_CROWD_MS);
});

test('thousands who ask within seconds have them counted once', () => {
  const { seen, crowd } = make(2_000);
  for (let nth = 0; nth < 1_000; nth++) crowd();
  assert.equal(seen.counts, 1);
  seen.devices = 4_000;
  seen.nowMs = 20_000;
  assert.equal(crowd(), 4_000 * CROWD_MS_PER_DEVICE);
});
