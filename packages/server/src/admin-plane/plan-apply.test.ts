import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserSystem } from '@thinman/protocol';
import { paperSealer, plannedSite } from '../../../../test/support/planned-site.ts';
import { secretContext } from '../core/sealed.ts';
import type { StoredObject } from '../ports.ts';

const userGroup = (name: string, parent?: string) => ({
  kind: 'UserGroup',
  name,
  body: parent === undefined ? {} : { parent },
});
const deviceGroup = (name: string, parent?: string) => ({ ...userGroup(name, parent), kind: 'DeviceGroup' });
const user = (name: string, body: object = {}) => ({ kind: 'User', name, body });
const owner = (name: string, more: object = {}) => ({
  kind: 'Administrator' as const,
  name,
  body: { role: 'owner', ...more },
});
const credentialOf = (object: StoredObject | undefined) => (object?.system as UserSystem | undefined)?.credential;
const directory = (bindPassword: unknown) => ({
  kind: 'Directory',
  name: 'lab',
  body: {
    type: 'ldap',
    urls: ['ldaps://dc.lab.test'],
    baseDn: 'dc=lab',
    ...(bindPassword === undefined ? {} : { bindPassword }),
  },
});

test('all mistakes of all objects are told at once, each by its object, and nothing is planned', async () => {
  const mistakes = await plannedSite().mistakes(
    userGroup('nurses'),
    user('alice', { groups: ['nurses', 'doctors'] }),
    { kind: 'Usr', name: 'bob', body: {} },
    user('two words'),
    user('carol', { displayNam: 'C' }),
    { kind: 'Policy', name: 'p', spec: {} },
    'not an object',
  );
  assert.deepEqual(
    mistakes.map(line => line.split(':')[0]),
    [
      '1 User alice body.groups.1',
      '2 Usr bob kind',
      '3 User two words name',
      '4 User carol body.displayNam',
      '5 Policy p body',
      '5 Policy p spec',
      '6   ',
    ],
  );
  assert.match(mistakes[1] ?? '', /did you mean "User"/);
});

test('what is named may be in the same apply, in any order, or there already', async () => {
  const site = plannedSite([{ kind: 'DeviceGroup', name: 'hospital' }]);
  const inputs = [
    {
      kind: 'Assignment',
      name: 'a',
      body: { policy: 'p', to: { deviceGroup: 'wards', userGroup: 'nurses', user: 'alice' } },
    },
    user('alice', { groups: ['nurses'] }),
    { kind: 'Policy', name: 'p', body: { settings: {} } },
    userGroup('nurses'),
    deviceGroup('wards', 'hospital'),
  ];
  assert.deepEqual(await site.mistakes(...inputs), []);
});

test('naming an object that is itself wrong is no further mistake', async () => {
  const mistakes = await plannedSite().mistakes(
    { ...userGroup('nurses'), body: { nope: 1 } },
    user('a', { groups: ['nurses'] }),
  );
  assert.equal(mistakes.length, 1, mistakes.join());
});

test('every kind of reference that leads nowhere is named by its field', async () => {
  const site = plannedSite([
    { kind: 'Device', name: 'tc-1' },
    { kind: 'EnrollmentToken', name: 't', body: { purpose: 'device', uses: 1, expiresAt: '2031-01-01T00:00:00Z' } },
  ]);
  const to = { deviceGroup: 'x', device: 'x', userGroup: 'x', user: 'x' };
  const mistakes = await site.mistakes(
    deviceGroup('d', 'x'),
    userGroup('u', 'x'),
    user('a', { groups: ['x'] }),
    { kind: 'Device', name: 'tc-1', body: { group: 'x' } },
    {
      kind: 'EnrollmentToken',
      name: 't',
      body: { purpose: 'device', uses: 1, expiresAt: '2031-01-01T00:00:00Z', group: 'x' },
    },
    { kind: 'Assignment', name: 'p', body: { policy: 'x', to } },
    { kind: 'Assignment', name: 'q', body: { profile: 'x', to: { site: true } } },
  );
  assert.deepEqual(
    mistakes.map(line => /body\.[^:]+: names the \w+ "x", which does not exist/.exec(line)?.[0]),
    [
      'body.parent: names the DeviceGroup "x", which does not exist',
      'body.parent: names the UserGroup "x", which does not exist',
      'body.groups.0: names the UserGroup "x", which does not exist',
      'body.group: names the DeviceGroup "x", which does not exist',
      'body.group: names the DeviceGroup "x", which does not exist',
      'body.policy: names the Policy "x", which does not exist',
      'body.to.deviceGroup: names the DeviceGroup "x", which does not exist',
      'body.to.device: names the Device "x", which does not exist',
      'body.to.userGroup: names the UserGroup "x", which does not exist',
      'body.to.user: names the User "x", which does not exist',
      'body.profile: names the Profile "x", which does not exist',
    ],
  );
});

test('a tombstone is nobody: it cannot be named', async () => {
  const site = plannedSite([{ kind: 'UserGroup', name: 'nurses', deleted: true }]);
  assert.equal((await site.mistakes(user('a', { groups: ['nurses'] }))).length, 1);
});

test('a circle of groups is told once, with its way round', async () => {
  const own = await plannedSite().mistakes(userGroup('a', 'a'));
  assert.match(own.join(), /0 UserGroup a body.parent: makes a circle: a → a$/);

  const site = plannedSite([
    { kind: 'DeviceGroup', name: 'a', body: { parent: 'b' } },
    { kind: 'DeviceGroup', name: 'b', body: { parent: 'c' } },
    { kind: 'DeviceGroup', name: 'c' },
  ]);
  const closed = await site.mistakes(deviceGroup('d', 'a'), deviceGroup('c', 'a'));
  assert.deepEqual(closed, ['1 DeviceGroup c body.parent: makes a circle: c → a → b → c']);
  assert.deepEqual(await site.mistakes(deviceGroup('c'), deviceGroup('b', 'c')), []);
  assert.deepEqual(await site.mistakes(userGroup('c'), userGroup('a', 'c')), [], 'two trees are two trees');
});

test('a name that is there twice is refused at its second place', async () => {
  const mistakes = await plannedSite().mistakes(user('a'), userGroup('a'), user('a'));
  assert.deepEqual(mistakes, ['2 User a name: is here twice: it is object 1 of this apply already']);
});

test('devices, servers and tokens are not made by apply, but changed by it', async () => {
  const url = 'https://a.example:8443';
  const token = { purpose: 'device', uses: 1, expiresAt: '2031-01-01T00:00:00Z' };
  const inputs = [
    { kind: 'Device', name: 'tc-1', body: { attributes: { model: 'x' } } },
    { kind: 'Server', name: 'primary', body: { url } },
    { kind: 'EnrollmentToken', name: 't', body: { ...token, uses: 3 } },
  ];
  const mistakes = await plannedSite().mistakes(...inputs);
  assert.equal(mistakes.length, 3);
  for (const mistake of mistakes) assert.match(mistake, / name: does not exist, and apply cannot create it: a /);

  const site = plannedSite([
    { kind: 'Device', name: 'tc-1', system: { keyHash: 'k' } },
    { kind: 'Server', name: 'primary' },
    { kind: 'EnrollmentToken', name: 't', body: token },
  ]);
  assert.deepEqual(await site.apply(...inputs), ['updated', 'updated', 'updated']);
  assert.equal(site.held('Device', 'tc-1')?.system.keyHash, 'k', 'what servers keep stays');
});

test('a generation that is not the stored one is a conflict, which tells both', async () => {
  const site = plannedSite([{ kind: 'User', name: 'a', generation: 7 }]);
  assert.deepEqual(await site.mistakes({ ...user('a', { disabled: true }), generation: 7 }), []);
  const stale = await site.plan([{ ...user('a', { disabled: true }), generation: 6 }]);
  assert.ok(stale.kind === 'refused' && stale.code === 'conflict');
  assert.match(stale.problems[0]?.message ?? '', /read at generation 6, and it is now at generation 7/);

  const gone = await site.plan([{ ...user('gone'), generation: 3 }]);
  assert.ok(gone.kind === 'refused' && gone.code === 'conflict');
  assert.match(gone.problems[0]?.message ?? '', /does not exist now/);
  assert.deepEqual(await site.mistakes({ ...user('new'), generation: 0 }), [], '0 = must not be there yet');

  const both = await site.plan([{ ...user('a'), generation: 6 }, user('b', { nope: 1 })]);
  assert.ok(both.kind === 'refused' && both.code === 'invalid_object' && both.problems.length === 2);
});

test('read-only facts are taken back as they were given, and refused when changed', async () => {
  const site = plannedSite([{ kind: 'Device', name: 'tc-1', system: { keyHash: 'k', enrolledAt: 5 } }]);
  const [given] = site.given();
  assert.deepEqual(await site.mistakes(given), []);
  const changed = await site.mistakes({ ...given, status: { ...given?.status, keyHash: 'another' } });
  assert.match(changed.join(), /0 Device tc-1 status: is read-only/);
  const { keyHash: _unknownThen, ...said } = (given?.status ?? {}) as Record<string, unknown>;
  assert.deepEqual(await site.mistakes({ ...given, status: said }), [], 'of a release that told less');
  const more = await site.mistakes({ ...given, status: { ...given?.status, disabled: true } });
  assert.match(more.join(), /0 Device tc-1 status: is read-only/);
});

test('the last owner who can log in cannot be taken away', async () => {
  const able = { system: { passwordSalt: 's', passwordHash: 'h' } };
  const site = plannedSite([{ ...owner('admin'), ...able }, owner('without-password')]);
  for (const last of [owner('admin', { role: 'viewer' }), owner('admin', { disabled: true })]) {
    assert.match((await site.mistakes(last)).join(), /last owner who can log in/);
    assert.deepEqual(await site.mistakes(last, owner('second', { password: 'a-long-password' })), []);
  }
  assert.deepEqual(await plannedSite().mistakes(owner('admin', { disabled: true })), [], 'there was none before');
});

test('a password is a credential and nothing else; a new one raises its version, the same one changes nothing', async () => {
  const site = plannedSite();
  assert.deepEqual(await site.apply(user('a', { password: 'first-password' })), ['created']);
  const first = site.held('User', 'a');
  assert.deepEqual(first?.body, {});
  assert.equal(credentialOf(first)?.version, 1);

  assert.deepEqual(await site.apply(user('a', { password: 'first-password' })), ['unchanged']);
  assert.deepEqual(await site.apply(user('a')), ['unchanged'], 'without a password the credential stays');
  assert.deepEqual(await site.apply(user('a', { displayName: 'A' })), ['updated']);
  assert.deepEqual(site.held('User', 'a')?.system, first?.system);

  assert.deepEqual(await site.apply(user('a', { displayName: 'A', password: 'second-password' })), ['updated']);
  const second = credentialOf(site.held('User', 'a'));
  assert.deepEqual([second?.version, second?.changedAt], [2, 1_000]);
});

test('a secret is stored sealed, given back as set, and taken back as it is', async () => {
  const site = plannedSite();
  assert.deepEqual(await site.apply(directory('hunter22')), ['created']);
  const sealedOf = () =>
    (site.held('Directory', 'lab')?.system as { secrets?: { bindPassword?: string } } | undefined)?.secrets
      ?.bindPassword ?? '';
  const sealed = sealedOf();
  assert.equal(JSON.stringify(site.held('Directory', 'lab')).includes('hunter22'), false);
  assert.equal(paperSealer.open(sealed, secretContext('Directory', 'lab', 'bindPassword')), 'hunter22');
  assert.deepEqual(site.given()[0]?.body.bindPassword, { secret: 'set' });

  assert.deepEqual(await site.apply(directory({ secret: 'set' })), ['unchanged']);
  assert.deepEqual(await site.apply(directory('hunter22')), ['unchanged']);
  assert.equal(sealedOf(), sealed);
  assert.deepEqual(await site.apply(directory('hunter23')), ['updated']);
  assert.notEqual(sealedOf(), sealed);
  assert.deepEqual(await site.apply(directory(undefined)), ['updated']);
  assert.equal(site.held('Directory', 'lab')?.system.secrets, undefined);
  assert.match((await site.mistakes(directory({ secret: 'set' }))).join(), /bindPassword: .*none is held/);
});

test('a secret that no longer opens (another data key) is replaced by the one that is given', async () => {
  const site = plannedSite([
    {
      ...directory({ secret: 'set' }),
      kind: 'Directory',
      system: { secrets: { bindPassword: 'c2VhbGVkIGVsc2V3aGVyZQ' } },
    },
  ]);
  assert.deepEqual(await site.apply(directory('hunter22')), ['updated']);
});
