import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type DeleteAnswer, OBJECT_KINDS, type ObjectKind, type Problem } from '@thinman/protocol';
import { type AdminSite, createAdminSite } from '../../../../test/support/admin-site.ts';
import { PRIMARY, SITE_ID } from '../../../../test/support/record-fixtures.ts';
import { secretContext } from '../core/sealed.ts';
import { openDataKey, unwrapDataKey } from '../identity/data-key.ts';
import { rawPublicKey } from '../identity/raw-keys.ts';
import { REFERRERS, referencesOf } from './references.ts';

const withSite = async (work: (site: AdminSite) => Promise<void>) => {
  const site = await createAdminSite();
  try {
    await work(site);
  } finally {
    await site.close();
  }
};
const messages = (body: unknown) => (body as Problem).problems?.map(({ message }) => message) ?? [];

test('a deleted object is gone at once, and its name is free again', () =>
  withSite(async site => {
    await site.apply([{ kind: 'User', name: 'alice', body: {} }]);
    const uid = site.deps.replica.get('User', 'alice')?.uid;
    const { status, body } = await site.ask('DELETE', '/objects/User/alice');
    assert.equal(status, 200);
    assert.deepEqual(body, { epoch: 1, generation: site.deps.replica.position()?.version.generation });
    assert.equal((await site.ask('GET', '/objects/User/alice')).status, 404);
    assert.equal((await site.ask('DELETE', '/objects/User/alice')).status, 404);
    assert.deepEqual(site.events.at(-1)?.data.changes, [{ kind: 'User', name: 'alice', change: 'deleted' }]);

    await site.apply([{ kind: 'User', name: 'alice', body: {} }]);
    assert.notEqual(site.deps.replica.get('User', 'alice')?.uid, uid, 'another person, who only has the same name');
  }));

test('what is still named is not deleted; the refusal says by whom, and in which field', () =>
  withSite(async site => {
    const group = (kind: string, name: string, parent?: string) => ({
      kind,
      name,
      body: parent === undefined ? {} : { parent },
    });
    await site.apply([
      group('DeviceGroup', 'wards'),
      group('DeviceGroup', 'ward-3', 'wards'),
      group('UserGroup', 'nurses'),
      { kind: 'User', name: 'alice', body: { groups: ['nurses'] } },
      { kind: 'Policy', name: 'p', body: { settings: {} } },
      { kind: 'Profile', name: 'f', body: { connections: [] } },
      { kind: 'Device', name: 'tc-1', body: { group: 'ward-3' } },
      { kind: 'Assignment', name: 'a1', body: { policy: 'p', to: { deviceGroup: 'ward-3', userGroup: 'nurses' } } },
      { kind: 'Assignment', name: 'a2', body: { profile: 'f', to: { device: 'tc-1', user: 'alice' } } },
    ]);
    await site.ask('POST', '/tokens', { body: { for: 'device', group: 'ward-3' } });
    const named: Record<string, RegExp[]> = {
      'DeviceGroup/wards': [/DeviceGroup "ward-3" names it \(body.parent\)/],
      'DeviceGroup/ward-3': [
        /Device "tc-1" .*body.group/,
        /Assignment "a1" .*body.to.deviceGroup/,
        /EnrollmentToken "device-/,
      ],
      'UserGroup/nurses': [/User "alice" .*body.groups.0/, /Assignment "a1" .*body.to.userGroup/],
      'Policy/p': [/Assignment "a1" .*body.policy/],
      'Profile/f': [/Assignment "a2" .*body.profile/],
      'Device/tc-1': [/Assignment "a2" .*body.to.device/],
      'User/alice': [/Assignment "a2" .*body.to.user/],
    };
    for (const [path, words] of Object.entries(named)) {
      const { status, body } = await site.ask('DELETE', `/objects/${path}`);
      assert.equal(status, 422, path);
      const told = messages(body);
      assert.equal(told.length, words.length, `${path}: ${told.join('; ')}`);
      for (const word of words)
        assert.ok(
          told.some(message => word.test(message)),
          `${path}: ${told.join('; ')}`,
        );
    }
    for (const path of ['Assignment/a1', 'Assignment/a2', 'User/alice', 'UserGroup/nurses', 'Policy/p', 'Profile/f']) {
      assert.equal((await site.ask('DELETE', `/objects/${path}`)).status, 200, path);
    }
  }));

test('a token with which nobody can enrol any more keeps nothing in use', () =>
  withSite(async site => {
    await site.apply([{ kind: 'DeviceGroup', name: 'ward-3', body: {} }]);
    await site.ask('POST', '/tokens', { body: { for: 'device', group: 'ward-3' } });
    assert.equal((await site.ask('DELETE', '/objects/DeviceGroup/ward-3')).status, 422);
    const [token] = site.deps.replica.list('EnrollmentToken');
    const body = { ...token?.body, expiresAt: '2020-01-01T00:00:00Z' };
    await site.apply([{ kind: 'EnrollmentToken', name: token?.name ?? '', body }]);
    assert.equal((await site.ask('DELETE', '/objects/DeviceGroup/ward-3')).status, 200);
  }));

test('a hundred who name it are counted, not listed', () =>
  withSite(async site => {
    const users = Array.from({ length: 100 }, (_, n) => ({ kind: 'User', name: `u${n}`, body: { groups: ['g'] } }));
    await site.apply([{ kind: 'UserGroup', name: 'g', body: {} }, ...users]);
    const told = messages((await site.ask('DELETE', '/objects/UserGroup/g')).body);
    assert.ok(told.length < 30);
    assert.match(told.at(-1) ?? '', /80 more objects/);
  }));

test('a stale generation deletes nothing', () =>
  withSite(async site => {
    await site.apply([{ kind: 'User', name: 'alice', body: {} }]);
    const generation = site.deps.replica.get('User', 'alice')?.generation ?? 0;
    const stale = await site.ask('DELETE', `/objects/User/alice?generation=${generation - 1}`);
    assert.equal(stale.status, 409);
    assert.deepEqual((stale.body as Problem).conflicts, [
      { kind: 'User', name: 'alice', yours: null, current: { generation, body: {} } },
    ]);
    assert.equal((await site.ask('DELETE', '/objects/User/alice?generation=x')).status, 400);
    assert.equal((await site.ask('DELETE', `/objects/User/alice?generation=${generation}`)).status, 200);
  }));

test('the last owner and the Primary itself stay', () =>
  withSite(async site => {
    const owner = await site.ask('DELETE', '/objects/Administrator/admin');
    assert.match(messages(owner.body).join(), /last owner/);
    const primary = await site.ask('DELETE', '/objects/Server/primary');
    assert.match(messages(primary.body).join(), /is the Primary/);
    await site.apply([
      { kind: 'Administrator', name: 'second', body: { role: 'owner', password: 'another-password' } },
    ]);
    assert.equal((await site.ask('DELETE', '/objects/Administrator/admin')).status, 200);
  }));

test('REFERRERS has every kind that can name another', () => {
  const all = { deviceGroup: 'n', device: 'n', userGroup: 'n', user: 'n' };
  const body = { parent: 'n', group: 'n', groups: ['n'], policy: 'n', profile: 'n', to: all };
  const rollout = { of: { assignment: 'n' }, to: { policy: 'n', to: all }, stages: [{ deviceGroups: ['n'] }] };
  const bodies: Partial<Record<ObjectKind, Record<string, unknown>>> = {
    Rollout: rollout,
    Policy: { settings: { appearance: { wallpaper: 'n' } } },
  };
  for (const referrer of Object.keys(OBJECT_KINDS) as ObjectKind[]) {
    for (const { kind } of referencesOf(referrer, bodies[referrer] ?? body)) {
      assert.ok(REFERRERS[kind]?.includes(referrer), `${referrer} can name ${kind}`);
    }
  }
});

test('a server that is deleted leaves a new data key behind: every secret is sealed anew, and those to be changed are named', () =>
  withSite(async site => {
    const stolen = generateKeyPairSync('x25519').privateKey;
    const { deps } = site;
    const wrappedToIt = deps.dataKey.wrapFor(rawPublicKey(stolen));
    await deps.record.commit({ instance: PRIMARY, epoch: 1, actor: 'test' }, async transaction => {
      const system = { instance: 'b', keyHash: 'b', wrappingKey: rawPublicKey(stolen), wrappedDataKey: wrappedToIt };
      await transaction.put('Server', 'secondary', { url: 'https://b.example' }, system);
      return { write: true, result: undefined };
    });
    const directory = (name: string, more: object) => ({
      ...{ kind: 'Directory', name },
      body: { type: 'ldap', urls: ['ldap://127.0.0.1:1'], baseDn: 'dc=x', ...more },
    });
    await site.apply([directory('ad', { bindPassword: 'a-canary-secret' }), directory('open', {})]);
    const sealedBy = (name: string) =>
      (deps.replica.get('Directory', name)?.system.secrets as { bindPassword: string } | undefined)?.bindPassword ?? '';
    const before = sealedBy('ad');
    const known = openDataKey(unwrapDataKey(wrappedToIt, stolen, SITE_ID) ?? Buffer.alloc(0), SITE_ID);
    const context = secretContext('Directory', 'ad', 'bindPassword');
    assert.equal(known.open(before, context), 'a-canary-secret', 'it could read it');

    const { status, body } = await site.ask('DELETE', '/objects/Server/secondary');
    assert.equal(status, 200);
    assert.deepEqual((body as DeleteAnswer).secretsToChange, [
      { kind: 'Directory', name: 'ad', field: 'bindPassword' },
    ]);
    assert.notEqual(sealedBy('ad'), before);
    assert.equal(deps.dataKey.open(sealedBy('ad'), context), 'a-canary-secret');
    await site.apply([directory('ad', { bindPassword: 'another-secret' })]);
    assert.equal(deps.dataKey.open(sealedBy('ad'), context), 'another-secret');
    assert.throws(() => known.open(sealedBy('ad'), context), 'what is given from now on it cannot read');

    // What stands in the history opens all the same.
    const to = deps.replica.get('Directory', 'ad')?.generation ?? 0;
    const back = await site.ask('POST', '/rollback', { body: { to: to - 1 } });
    assert.equal(back.status, 200, JSON.stringify(back.body));
    assert.notEqual(deps.dataKey.open(sealedBy('ad'), context), '');
    assert.deepEqual((await site.ask('GET', '/objects/Directory/ad')).body, {
      ...directory('ad', { bindPassword: { secret: 'set' } }),
      generation: deps.replica.get('Directory', 'ad')?.generation,
    });
  }));

test('a secret that is applied before this server knows of the new data key is sealed under it', async () => {
  let feedIsOpen = Promise.resolve();
  const site = await createAdminSite({
    around: record => ({
      ...record,
      async feed(position) {
        await feedIsOpen;
        return record.feed(position);
      },
    }),
  });
  try {
    const { deps } = site;
    await deps.record.commit({ instance: PRIMARY, epoch: 1, actor: 'test' }, async transaction => {
      const server = deps.replica.get('Server', 'primary');
      await transaction.put('Server', 'secondary', { url: 'https://b.example' }, { ...server?.system, instance: 'b' });
      return { write: true, result: undefined };
    });
    const old = deps.dataKey.heldIn('');
    const { promise, resolve: open } = Promise.withResolvers<void>();
    feedIsOpen = promise;
    const generation = async () => (await deps.record.site())?.version.generation ?? 0;
    const committed = async (work: () => Promise<unknown>) => {
      const before = await generation();
      const result = work();
      while ((await generation()) === before) await setImmediate();
      return { result };
    };
    const body = { type: 'ldap', urls: ['ldap://127.0.0.1:1'], baseDn: 'dc=x', bindPassword: 'a-secret' };
    const deleting = await committed(() => site.ask('DELETE', '/objects/Server/secondary'));
    const applying = await committed(() => site.apply([{ kind: 'Directory', name: 'ad', body }]));
    open();
    await Promise.all([deleting.result, applying.result]);
    const sealed = deps.replica.get('Directory', 'ad')?.system.secrets as { bindPassword: string } | undefined;
    const context = secretContext('Directory', 'ad', 'bindPassword');
    assert.equal(deps.dataKey.open(sealed?.bindPassword ?? '', context), 'a-secret');
    assert.throws(() => old.open(sealed?.bindPassword ?? '', context));
  } finally {
    await site.close();
  }
});
