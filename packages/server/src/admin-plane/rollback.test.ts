import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectOutput, Problem, RollbackAnswer } from '@thinman/protocol';
import { type AdminSite, type AdminSiteOptions, createAdminSite } from '../../../../test/support/admin-site.ts';
import { AS_PRIMARY } from '../../../../test/support/record-fixtures.ts';
import { contextIn } from '../core/sealed.ts';

const withSite = async (work: (site: AdminSite) => Promise<void>, options: AdminSiteOptions = {}) => {
  const site = await createAdminSite(options);
  try {
    await work(site);
  } finally {
    await site.close();
  }
};
const generation = (site: AdminSite) => site.deps.replica.position()?.version.generation ?? 0;
const bodyOf = (site: AdminSite, kind: Parameters<AdminSite['deps']['replica']['get']>[0], name: string) =>
  site.deps.replica.get(kind, name)?.body;
const object = (kind: string, name: string, body: object = {}) => ({ kind, name, body });

async function rollback(site: AdminSite, to: number, dryRun = false): Promise<RollbackAnswer> {
  const { status, body } = await site.ask('POST', '/rollback', { body: { to, dryRun } });
  assert.equal(status, 200, JSON.stringify(body));
  return body as RollbackAnswer;
}
async function refusal(site: AdminSite, to: unknown): Promise<Problem> {
  const { status, body } = await site.ask('POST', '/rollback', { body: { to } });
  assert.notEqual(status, 200);
  return body as Problem;
}
const lines = ({ changes }: RollbackAnswer) =>
  changes.map(({ change, kind, name }) => `${change} ${kind}/${name}`).sort();
const kept = ({ kept }: RollbackAnswer) => kept.map(({ kind, name, why }) => `${kind}/${name} ${why}`).sort();

/** What the site has of everything that administrators write. */
async function everything(site: AdminSite): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for (const kind of [
    'SiteSettings',
    'DeviceGroup',
    'UserGroup',
    'User',
    'Policy',
    'Profile',
    'Assignment',
    'Device',
  ]) {
    const { body } = await site.ask('GET', `/objects/${kind}?limit=1000`);
    for (const { name, body: written } of (body as { items: ObjectOutput[] }).items) all.push({ kind, name, written });
  }
  return all;
}

const LATER = { at: '2099-01-01T00:00', timeZone: 'UTC' };
const WARD = [
  object('DeviceGroup', 'hospital'),
  object('DeviceGroup', 'ward-3', { parent: 'hospital' }),
  object('UserGroup', 'nurses'),
  object('User', 'alice', { displayName: 'Alice', groups: ['nurses'], password: 'the-first-password' }),
  object('Policy', 'quiet', { settings: { power: { screenOffAfterMinutes: 10 } } }),
  object('Profile', 'desk', { connections: [] }),
  object('Device', 'tc-1', { group: 'ward-3' }),
  object('Assignment', 'quiet-ward', { policy: 'quiet', to: { deviceGroup: 'ward-3' } }),
  object('Assignment', 'desk-alice', { profile: 'desk', to: { user: 'alice', device: 'tc-1' } }),
];

test('a rollout that was deleted since does not begin anew, and one that was made since is gone', () =>
  withSite(async site => {
    const rollout = (name: string, policy: string) =>
      object('Rollout', name, { of: { policy }, to: { settings: {} }, stages: [{ deviceGroups: ['hospital'] }] });
    await site.apply([...WARD, object('Policy', 'loud', { settings: {} }), rollout('first', 'quiet')]);
    const to = generation(site);
    assert.equal((await site.ask('DELETE', '/objects/Rollout/first')).status, 200);
    await site.apply([rollout('second', 'loud')]);
    const answer = await rollback(site, to);
    assert.deepEqual(lines(answer), ['deleted Rollout/second']);
    assert.deepEqual(kept(answer), [
      'Rollout/first is not made again: it would begin anew; apply it where that is wanted',
    ]);
    assert.equal(bodyOf(site, 'Rollout', 'first'), undefined);
  }));

test('a rollback gives no rollout another object once it has begun, and changes none that is over', () =>
  withSite(async site => {
    const rollout = (name: string, policy: string, more: object = {}) =>
      object('Rollout', name, {
        of: { policy },
        to: { settings: {} },
        stages: [{ deviceGroups: ['hospital'] }],
        ...more,
      });
    await site.apply([...WARD, object('Policy', 'loud', { settings: {} }), object('Policy', 'late', { settings: {} })]);
    await site.apply([
      rollout('moved', 'quiet', { activateAt: LATER }),
      rollout('over', 'late', { description: 'then' }),
    ]);
    const to = generation(site);
    const system = (name: string, state: string) =>
      site.deps.record.commit(AS_PRIMARY, async transaction => {
        const { body } = (await transaction.get('Rollout', name)) ?? assert.fail();
        const rolled = { state, stage: 0, stageSince: 0, began: to, base: to };
        await transaction.put('Rollout', name, { ...body, description: 'now' }, { rollout: rolled });
        return { write: true, result: undefined };
      });
    await site.apply([rollout('moved', 'loud')]);
    await system('moved', 'running');
    await site.apply([
      object('DeviceGroup', 'since'),
      rollout('over', 'late', { stages: [{ deviceGroups: ['since'] }] }),
    ]);
    await system('over', 'finished');
    await site.deps.syncNow();
    const answer = await rollback(site, to);
    assert.deepEqual(lines(answer), ['deleted DeviceGroup/since']);
    assert.deepEqual(kept(answer), [
      'Rollout/moved has begun since, and was of another object then: roll it back',
      'Rollout/over is over (finished)',
    ]);
  }));

test('the site is what it was: made since goes, deleted since comes back, changed is changed back; in one commit', () =>
  withSite(async site => {
    await site.apply(WARD);
    const then = await everything(site);
    const to = generation(site);

    await site.apply([object('SiteSettings', 'site', { offline: { maxAgeDays: 1 } })]);
    await site.apply([object('Policy', 'quiet', { settings: {} }), object('Policy', 'loud', { settings: {} })]);
    for (const path of ['Assignment/desk-alice', 'User/alice', 'Profile/desk']) {
      assert.equal((await site.ask('DELETE', `/objects/${path}`)).status, 200);
    }
    await site.apply([
      object('DeviceGroup', 'ward-4'),
      object('Device', 'tc-1', { group: 'ward-4' }),
      object('User', 'bob', { groups: ['nurses'] }),
      object('Assignment', 'loud-ward', { policy: 'loud', to: { deviceGroup: 'ward-4' } }),
    ]);
    const before = generation(site);

    const answer = await rollback(site, to);
    assert.deepEqual(lines(answer), [
      'created Assignment/desk-alice',
      'created Profile/desk',
      'created User/alice',
      'deleted Assignment/loud-ward',
      'deleted DeviceGroup/ward-4',
      'deleted Policy/loud',
      'deleted User/bob',
      'updated Device/tc-1',
      'updated Policy/quiet',
      'updated SiteSettings/site',
    ]);
    assert.deepEqual(answer.kept, []);
    assert.deepEqual([answer.epoch, answer.generation], [1, before + 1]);
    assert.equal(generation(site), before + 1);
    assert.deepEqual(await everything(site), then);
    assert.deepEqual(site.events.at(-1)?.type, 'site.rollback');
    const told = JSON.stringify(site.events);
    for (const secret of ['credential', 'publicKey', 'keyHash']) assert.ok(!told.includes(`"${secret}"`), secret);

    // And forth again: a rollback is a commit like any other.
    await rollback(site, before);
    assert.deepEqual(lines(await rollback(site, to)), lines(answer));
  }));

test('nothing is written where nothing differs, and a dry run says what would, with both bodies', () =>
  withSite(async site => {
    await site.apply(WARD);
    const to = generation(site);
    assert.deepEqual(await rollback(site, to), { epoch: 1, generation: to, changes: [], kept: [] });
    await site.apply([object('Policy', 'quiet', { settings: {} }), object('UserGroup', 'new')]);
    const { changes, generation: at } = await rollback(site, to, true);
    assert.deepEqual(changes, [
      { kind: 'UserGroup', name: 'new', change: 'deleted', now: {}, before: null },
      {
        kind: 'Policy',
        name: 'quiet',
        change: 'updated',
        now: { settings: {} },
        before: { settings: { power: { screenOffAfterMinutes: 10 } } },
      },
    ]);
    assert.deepEqual([at, generation(site)], [to + 1, to + 1]);
    assert.deepEqual(lines(await rollback(site, to)), ['deleted UserGroup/new', 'updated Policy/quiet']);
  }));

test('a user who comes back has the password of last; one who stayed has the password of now', () =>
  withSite(async site => {
    await site.apply([
      object('User', 'gone', { password: 'password-one' }),
      object('User', 'here', { password: 'password-one' }),
    ]);
    const to = generation(site);
    const newer = ['gone', 'here'].map(name => object('User', name, { displayName: 'X', password: 'password-two' }));
    await site.apply(newer);
    const credential = (name: string) => site.deps.replica.find('User', name)?.system.credential;
    const [ofGone, ofHere] = [credential('gone'), credential('here')];
    const uid = site.deps.replica.get('User', 'gone')?.uid;
    await site.ask('DELETE', '/objects/User/gone');
    const hashes = site.hasher.hashes();

    await rollback(site, to);
    assert.deepEqual(bodyOf(site, 'User', 'gone'), {});
    assert.deepEqual([credential('gone'), credential('here')], [ofGone, ofHere]);
    assert.notEqual(site.deps.replica.get('User', 'gone')?.uid, uid, 'what devices hold of the deleted one stays void');
    assert.equal(site.hasher.hashes(), hashes, 'no password is hashed for it');
  }));

test('who is who is not rolled back: administrators, servers, tokens, new devices, revocations', () =>
  withSite(async site => {
    await site.apply([object('DeviceGroup', 'old')]);
    const to = generation(site);
    await site.apply([
      object('Administrator', 'second', { role: 'owner', password: 'another-password' }),
      object('Device', 'tc-1', { group: 'old', revoked: true }),
      object('DeviceGroup', 'building'),
      object('DeviceGroup', 'ward-9', { parent: 'building' }),
      object('DeviceGroup', 'for-tokens'),
      object('DeviceGroup', 'spare'),
    ]);
    await site.ask('POST', '/tokens', { body: { for: 'device', group: 'for-tokens' } });
    await enrolled(site, 'tc-9', { group: 'ward-9' });

    const answer = await rollback(site, to);
    assert.deepEqual(lines(answer), ['deleted DeviceGroup/spare', 'updated Device/tc-1']);
    assert.deepEqual(bodyOf(site, 'Device', 'tc-1'), { revoked: true });
    const [token] = site.deps.replica.list('EnrollmentToken');
    assert.deepEqual(kept(answer), [
      'Device/tc-9 was enrolled since',
      'DeviceGroup/building is named by the DeviceGroup "ward-9", which stays',
      `DeviceGroup/for-tokens is named by the EnrollmentToken "${token?.name}", which stays`,
      'DeviceGroup/ward-9 is named by the Device "tc-9", which stays',
    ]);
    assert.deepEqual(bodyOf(site, 'Device', 'tc-9'), { group: 'ward-9' });
    assert.ok(bodyOf(site, 'Administrator', 'second') !== undefined);
  }));

test('a deleted device is not made again, nor what was assigned to it: who names what is gone stays as it is', () =>
  withSite(async site => {
    await site.apply(WARD);
    const to = generation(site);
    await site.apply([
      object('Policy', 'since', { settings: {} }),
      object('User', 'bob'),
      object('Assignment', 'desk-alice', { policy: 'since', to: { user: 'bob' } }),
    ]);
    await site.ask('DELETE', '/objects/Device/tc-1');
    const answer = await rollback(site, to);
    assert.deepEqual(lines(answer), []);
    assert.deepEqual(kept(answer), [
      'Assignment/desk-alice would name the Device "tc-1", which is gone',
      'Device/tc-1 is not made again: a deleted device is revoked, and has to be enrolled anew',
      'Policy/since is named by the Assignment "desk-alice", which stays',
      'User/bob is named by the Assignment "desk-alice", which stays',
    ]);
    assert.equal(bodyOf(site, 'Device', 'tc-1'), undefined);

    // The name has a device again: then the assignment can be what it was.
    await enrolled(site, 'tc-1', {});
    assert.deepEqual(lines(await rollback(site, to)), [
      'deleted Policy/since',
      'deleted User/bob',
      'updated Assignment/desk-alice',
      'updated Device/tc-1',
    ]);
  }));

test('a rollout that is of its former policy again has the secrets that were sealed for that one', () =>
  withSite(async site => {
    const settings = (passphrase: string) => ({ network: { wifi: { networks: [{ ssid: 'a', passphrase }] } } });
    const rollout = (policy: string, passphrase: string) =>
      object('Rollout', 'r', { of: { policy }, to: { settings: settings(passphrase) }, stages: [], activateAt: LATER });
    await site.apply([object('Policy', 'one', { settings: {} }), object('Policy', 'two', { settings: {} })]);
    await site.apply([rollout('one', 'passphrase-for-one')]);
    const to = generation(site);
    await site.apply([rollout('two', 'passphrase-for-two')]);
    assert.deepEqual(lines(await rollback(site, to)), ['updated Rollout/r']);
    const { body, system } = site.deps.replica.get('Rollout', 'r') ?? assert.fail();
    const opened = Object.entries(system.secrets as Record<string, string>).map(([field, sealed]) =>
      site.deps.dataKey.open(sealed, contextIn('Rollout', 'r', body, field)),
    );
    assert.deepEqual(opened, ['passphrase-for-one']);
  }));

test('secrets come back with what they belong to, and directories make a new statement', () =>
  withSite(async site => {
    const directory = (more: object) =>
      object('Directory', 'ad', { type: 'ldap', urls: ['ldaps://dc1.example'], baseDn: 'dc=x', ...more });
    await site.apply([directory({ bindPassword: 'a-canary-secret' })]);
    const sealed = site.deps.replica.get('Directory', 'ad')?.system.secrets;
    const to = generation(site);
    await site.apply([directory({})]);
    assert.equal(site.deps.replica.get('Directory', 'ad')?.system.secrets, undefined);
    const restated = site.restated();

    const dry = await rollback(site, to, true);
    assert.ok(!JSON.stringify(dry).includes('canary'));
    await rollback(site, to);
    assert.deepEqual(bodyOf(site, 'Directory', 'ad')?.bindPassword, { secret: 'set' });
    assert.deepEqual(site.deps.replica.get('Directory', 'ad')?.system.secrets, sealed);
    assert.equal(site.restated(), restated + 1);
    await site.ask('DELETE', '/objects/Directory/ad');
    await rollback(site, to);
    assert.deepEqual(site.deps.replica.get('Directory', 'ad')?.system.secrets, sealed);
  }));

test('a generation that is still to come, or too long ago, is refused in words', () =>
  withSite(async site => {
    await site.apply([object('User', 'alice'), object('UserGroup', 'g')]);
    await site.ask('DELETE', '/objects/User/alice');
    await site.ask('DELETE', '/objects/UserGroup/g');
    const problemOf = async (to: number) => {
      const { status, problems = [] } = await refusal(site, to);
      return `${status} ${problems[0]?.field} ${problems[0]?.message}`;
    };
    assert.equal(await problemOf(5), '400 to 5 is still to come: the site is at generation 4');
    for (const to of [0, -1, 1.5, 'x', undefined]) assert.equal((await refusal(site, to)).status, 400);

    const by = { instance: site.deps.identity.instance, epoch: 1 };
    site.clock.setNow(site.clock.nowMs() + 100 * 24 * 3_600_000);
    await site.deps.record.compact(by, site.clock.nowMs());
    assert.match(
      await problemOf(3),
      /^400 to 3 is too long ago: what was deleted up to generation 4 is not known any more/,
    );
    assert.deepEqual(lines(await rollback(site, 4)), []);
  }));

test('a generation of an earlier epoch is refused', () => {
  let epoch = 1;
  const promoted: AdminSiteOptions = {
    around: record => ({
      ...record,
      async changedSince(generation, page) {
        const found = await record.changedSince(generation, page);
        return { ...found, site: { ...found.site, version: { ...found.site.version, epoch } } };
      },
    }),
  };
  return withSite(async site => {
    await site.apply([object('UserGroup', 'g')]);
    epoch = 2;
    const { status, problems } = await refusal(site, 1);
    assert.equal(status, 400);
    assert.match(problems?.[0]?.message ?? '', /^1 belongs to epoch 1, and the site is in epoch 2/);
  }, promoted);
});

test('who commits while it is read has it read again, and is rolled back as well', () => {
  let meanwhile = async () => {};
  const busy: AdminSiteOptions = {
    around: record => ({
      ...record,
      async changedSince(generation, page) {
        const found = await record.changedSince(generation, page);
        await meanwhile();
        return found;
      },
    }),
  };
  return withSite(async site => {
    await site.apply([object('UserGroup', 'g')]);
    const to = generation(site);
    meanwhile = async () => {
      meanwhile = async () => {};
      await site.apply([object('UserGroup', 'late')]);
    };
    await site.apply([object('UserGroup', 'early')]);
    assert.deepEqual(lines(await rollback(site, to)), ['deleted UserGroup/early', 'deleted UserGroup/late']);
    await site.apply([object('UserGroup', 'early')]);
    let names = 0;
    meanwhile = async () => void (await site.apply([object('UserGroup', `again-${names++}`)]));
    const { status, code } = await refusal(site, to);
    assert.deepEqual([status, code], [409, 'conflict']);
  }, busy);
});

test('a Secondary says what would change, and where to change it', () =>
  withSite(
    async site => {
      assert.deepEqual((await rollback(site, 1, true)).changes, []);
      assert.equal((await refusal(site, 1)).code, 'not_primary');
    },
    { instance: 'instance-of-the-secondary' },
  ));

test('thousands of objects are read in pages, and others are answered in between', () =>
  withSite(async site => {
    const to = generation(site);
    const count = 2_000;
    await site.apply(Array.from({ length: count }, (_, n) => object('UserGroup', `g-${n}`)));
    let turns = 0;
    const watch = setInterval(() => turns++, 1);
    const { changes } = await rollback(site, to);
    clearInterval(watch);
    assert.equal(changes.length, count);
    assert.equal(site.deps.replica.count('UserGroup'), 0);
    assert.ok(turns > count / 500, `${turns} turns`);
  }));

/** A device that enrolment has made. */
async function enrolled(site: AdminSite, name: string, body: Record<string, unknown>): Promise<void> {
  const by = { instance: site.deps.identity.instance, epoch: 1, actor: 'enrolment' };
  await site.deps.record.commit(by, async transaction => {
    const result = await transaction.put('Device', name, body, { keyHash: `key-of-${name}` });
    return { write: true, result };
  });
  await site.deps.syncNow();
}
