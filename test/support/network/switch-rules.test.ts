import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairOf, switchRules } from './switch-rules.ts';

const drops = (rules: string) => rules.split('\n').flatMap(line => line.match(/ether type ip (.*) drop/)?.[1] ?? []);

test('drops what comes from and goes to a silent host', () => {
  const rules = switchRules({ silent: new Set(['primary']), cut: new Set() });
  assert.deepEqual(drops(rules), ['iifname "primary"', 'oifname "primary"']);
});

test('drops both ways between two hosts, whichever is named first', () => {
  assert.equal(pairOf('b', 'a'), pairOf('a', 'b'));
  const rules = switchRules({ silent: new Set(), cut: new Set([pairOf('b', 'a')]) });
  assert.deepEqual(drops(rules), ['iifname "a" oifname "b"', 'iifname "b" oifname "a"']);
});

test('takes the place of all rules before it', () => {
  const rules = switchRules({ silent: new Set(), cut: new Set() });
  assert.deepEqual(drops(rules), []);
  assert.match(rules, /^table bridge faults\ndelete table bridge faults\ntable/);
});
