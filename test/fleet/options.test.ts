import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';
import { quantile } from './tallies.ts';
import { fleetUsers, usersAsYaml } from './users.ts';

const wrong = (...argv: string[]) => {
  const asked = readOptions(argv);
  return asked.kind === 'wrong' ? asked.why : asked.kind;
};

test('a fleet is told what is wrong with its flags, in one line', () => {
  assert.match(wrong('--devices', 'many', '--token', 't'), /^--devices many is not a whole number from 1 to \d+$/);
  assert.match(wrong('--devices', '1.5', '--token', 't'), /^--devices 1.5 is not a whole number/);
  assert.match(wrong('--devices', '5', '--token', 't', '--logins', '-1'), /^(?:--logins -1|Option '--logins')/);
  assert.equal(wrong('--token', 't'), '--devices is needed');
  assert.match(wrong('--devices', '5'), /--token or --data is needed/);
  assert.doesNotMatch(wrong('--devices', '5', '--no-such-flag'), /\n/);
});

test('a fleet has a default for all but the devices and where they come from', () => {
  const asked = readOptions(['--devices', '5', '--data', 'fleet']);
  assert.ok(asked.kind === 'run');
  assert.deepEqual(
    [asked.options.arrivals, asked.options.logins, asked.options.minutes, asked.options.users],
    [200, 0, 1, 20],
  );
  assert.equal(readOptions(['--help']).kind, 'help');
  assert.equal(readOptions(['--print-users', '--users', '2']).kind, 'print_users');
});

test('the people of a fleet are those that it prints', () => {
  const people = fleetUsers('p-', 2);
  assert.deepEqual(
    people.map(({ name }) => name),
    ['p-1', 'p-2'],
  );
  const yaml = usersAsYaml(people);
  for (const { name, password } of people) assert.ok(yaml.includes(name) && yaml.includes(password));
});

test('a quantile is one of the numbers, and 0 of none', () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([3, 1, 2], 0.99), 3);
  assert.equal(quantile([], 0.5), 0);
});
