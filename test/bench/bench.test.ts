import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BENCHES, chosenBenches } from './benches.ts';
import { asTable, inDigits } from './report.ts';
import { benchTest, runBench } from './support/bench-test.ts';
import { median, percentile } from './support/statistics.ts';

benchTest({
  login: ['login.p50'],
  offline: ['offline.login.p50', 'offline.start'],
  resolve: ['resolve.p50'],
  sync: ['sync.full', 'sync.change.longest'],
  events: ['events.acknowledged', 'events.stored'],
});

test('says what to do on wrong use, in one line', async () => {
  for (const args of [['nothing'], ['--what'], ['login', '--small', '--full']]) {
    const { code, stdout, stderr } = await runBench(...args);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^bench: [^\n]+ Use: npm run bench [^\n]+\n$/);
  }
});

test('--help says the names and the flags', async () => {
  const { code, stdout, stderr } = await runBench('--help');
  assert.deepEqual([code, stderr], [0, '']);
  for (const said of ['login-storm', 'all but\npeers', '--json', '--small', '--full'])
    assert.ok(stdout.includes(said), said);
});

test('what needs SSSD is run only when it is named', () => {
  const all = BENCHES.map(({ name }) => name);
  assert.deepEqual(
    chosenBenches([]).map(({ name }) => name),
    all.filter(name => name !== 'peers'),
  );
  assert.deepEqual(
    chosenBenches(['login', 'peers']).map(({ name }) => name),
    ['login', 'peers'],
  );
});

test('the table shows a figure in a line, and what was missed', () => {
  const missed = { name: 'a.b', value: 12.345, unit: 'ms', floor: 10, ratio: 1.2345, target: '≤ 11', met: false };
  const [head, line, ...more] = asTable([missed]).split('\n');
  assert.match(head ?? '', /^figure\s+value\s+floor\s+ratio/);
  assert.match(line ?? '', /^a\.b +12\.3 ms +10\.0 ms +1\.23 +≤ 11 +NO$/);
  assert.deepEqual(more, []);
  assert.deepEqual([0, 0.00123, 0.5, 99.96, 12345].map(inDigits), ['0', '0.001', '0.500', '100.0', '12345']);
});

test('a percentile lies between the two values around it', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(percentile([0, 10], 90), 9);
});
