import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeToken, type SignedStatement } from '@thinman/protocol';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';
import { createTrust } from '../support/trust.ts';
import { isOfAnotherSite } from './enrolment.ts';
import { keepIdentities, UnusableFolder } from './identities.ts';
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
  assert.match(wrong('--devices', '5', '--token', 't', '--prefix', '../x/'), /^--prefix: the name .* character/);
  assert.match(wrong('--print-users', '--user-prefix', 'a b'), /^--user-prefix: the name .* space/);
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

test('a folder keeps the devices of one site, and one that cannot is told in words', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-fleet-'));
  const device = (siteId: string, name: string) =>
    ({ siteId, name, deviceSecret: Buffer.from('secret'), caCertificates: [] }) as unknown as DeviceIdentity;
  const signed: SignedStatement = { statement: 'a', signature: 'b', signedBy: 'c'.repeat(43) };
  try {
    const inside = join(folder, 'fleet');
    keepIdentities(inside).add([device('site-1', 'tc-1')], signed);
    const kept = keepIdentities(inside);
    assert.deepEqual(
      kept.identities.map(({ name, deviceSecret }) => [name, String(deviceSecret)]),
      [['tc-1', 'secret']],
    );
    assert.throws(() => kept.add([device('site-2', 'tc-2')], signed), /holds devices of another site.*choose another/);
    appendFileSync(join(inside, 'devices.jsonl'), '{"siteId":"site-1","na');
    const torn = keepIdentities(inside);
    torn.makeReady();
    torn.add([device('site-1', 'tc-2')], signed);
    assert.deepEqual(
      keepIdentities(inside).identities.map(({ name }) => name),
      ['tc-1', 'tc-2'],
    );
    assert.ok(!readFileSync(join(inside, 'devices.jsonl'), 'utf8').includes('"na{'));
    writeFileSync(join(inside, 'devices.jsonl'), 'garbage\n');
    const unusable = (error: unknown) => error instanceof UnusableFolder && /choose another/.test(error.message);
    assert.throws(() => keepIdentities(inside), unusable);
    rmSync(join(inside, 'devices.jsonl'));
    const unkept = keepIdentities(inside);
    rmSync(inside, { recursive: true });
    assert.throws(() => unkept.makeReady(), unusable);
    assert.throws(() => unkept.add([device('site-1', 'tc-1')], signed), unusable);
    writeFileSync(inside, '');
    assert.throws(() => keepIdentities(inside), unusable);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a token of another site is known before anything is enrolled there', async () => {
  const [here, elsewhere] = [await createTrust(), await createTrust()];
  const token = (pin: string) =>
    encodeToken({ for: 'device', pins: [pin], secret: 'x'.repeat(22), urls: ['https://127.0.0.1:8443'] });
  const device = { caCertificates: [here.caCertificate] } as unknown as DeviceIdentity;
  assert.equal(isOfAnotherSite(token(here.pin), device), false);
  assert.equal(isOfAnotherSite(token(elsewhere.pin), device), true);
  assert.equal(isOfAnotherSite('no token', device), false);
});
