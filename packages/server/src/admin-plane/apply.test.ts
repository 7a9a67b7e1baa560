import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApplyAnswer, HistoryAnswer, ObjectOutput, Problem } from '@thinman/protocol';
import {
  type AdminSite,
  type AdminSiteOptions,
  createAdminSite,
  PRIMARY_URL,
} from '../../../../test/support/admin-site.ts';
import { commit } from '../../../../test/support/record-steps.ts';
import { DatabaseUnavailable } from '../record/errors.ts';

const user = (name: string, body: object = {}) => ({ kind: 'User', name, body });

const withSite = async (work: (site: AdminSite) => Promise<void>, options: AdminSiteOptions = {}) => {
  const site = await createAdminSite(options);
  try {
    await work(site);
  } finally {
    await site.close();
  }
};
const generationOf = (site: AdminSite) => site.deps.replica.position()?.version.generation;
const get = async (site: AdminSite, kind: string, name: string) =>
  (await site.ask('GET', `/objects/${kind}/${name}`)).body as ObjectOutput;

test('an apply is one commit, and can be read at once', () =>
  withSite(async site => {
    const before = generationOf(site) ?? 0;
    const answer = await site.apply([
      user('alice', { groups: ['nurses'] }),
      { kind: 'UserGroup', name: 'nurses', body: {} },
    ]);
    assert.deepEqual(answer, {
      epoch: 1,
      generation: before + 1,
      changes: [
        { kind: 'User', name: 'alice', change: 'created' },
        { kind: 'UserGroup', name: 'nurses', change: 'created' },
      ],
    });
    const alice = await get(site, 'User', 'alice');
    assert.equal(alice.generation, before + 1);
    assert.deepEqual(alice.body, { groups: ['nurses'] });
  }));

test('applied again, nothing differs: no generation is taken and nothing is told', () =>
  withSite(async site => {
    const objects = [user('alice', { password: 'a-first-password' }), user('bob')];
    await site.apply(objects);
    const [generation, events] = [generationOf(site), site.events.length];
    const again = await site.apply(objects);
    assert.deepEqual(
      again.changes.map(({ change }) => change),
      ['unchanged', 'unchanged'],
    );
    assert.equal(again.generation, generation);
    assert.equal(generationOf(site), generation);
    assert.equal(site.events.length, events);

    const some = await site.apply([...objects.slice(0, 1), user('bob', { disabled: true })]);
    assert.deepEqual(
      some.changes.map(({ change }) => change),
      ['unchanged', 'updated'],
    );
    assert.equal((await get(site, 'User', 'alice')).generation, generation, 'what does not differ is not touched');
  }));

test('one mistake, and nothing is applied', () =>
  withSite(async site => {
    const before = generationOf(site);
    const problem = await site.refused([user('alice'), user('bob', { groups: ['nobody'] })]);
    assert.equal(problem.status, 422);
    assert.equal(problem.code, 'invalid_object');
    assert.deepEqual(
      problem.problems?.map(({ index, kind, name, field }) => [index, kind, name, field]),
      [[1, 'User', 'bob', 'body.groups.0']],
    );
    assert.equal(generationOf(site), before);
    assert.equal((await site.ask('GET', '/objects/User/alice')).status, 404);
  }));

test('the event of a commit names who and what, never what is in it', () =>
  withSite(async site => {
    await site.apply([user('alice', { displayName: 'Alice Rossi', password: 'a-first-password' })]);
    assert.deepEqual(site.events, [
      {
        type: 'admin.commit',
        data: {
          epoch: 1,
          generation: generationOf(site),
          actor: 'local',
          changes: [{ kind: 'User', name: 'alice', change: 'created' }],
        },
      },
    ]);
    await site.apply(Array.from({ length: 100 }, (_, n) => user(`user-${n}`)));
    const { changes, more } = (site.events.at(-1)?.data ?? {}) as { changes: unknown[]; more: number };
    assert.equal(changes.length + more, 100);
    assert.ok(JSON.stringify(site.events.at(-1)).length < 16 * 1024);
  }));

test('no password and no credential is ever given out, nor kept in history', () =>
  withSite(async site => {
    await site.apply([user('alice', { password: 'a-canary-password' })]);
    const shown = [
      await site.ask('GET', '/objects/User'),
      await site.ask('GET', '/objects/Administrator'),
      await site.ask('GET', '/history/User/alice'),
    ];
    for (const { status, body } of shown) {
      assert.equal(status, 200);
      assert.doesNotMatch(JSON.stringify(body), /canary|publicKey|salt|Hash/i);
    }
    assert.deepEqual((await get(site, 'User', 'alice')).status?.credential, 'set');
  }));

test('passwords are hashed before the site row is locked, and not at all for what is refused anyway', async () => {
  let locked = false;
  const hashedUnderLock: boolean[] = [];
  await withSite(
    async site => {
      const { credential, fits } = site.hasher;
      site.hasher.credential = (...args) => {
        hashedUnderLock.push(locked);
        return credential(...args);
      };
      site.hasher.fits = (...args) => {
        hashedUnderLock.push(locked);
        return fits(...args);
      };
      await site.apply([user('alice', { password: 'a-first-password' })]);
      await site.apply([user('alice', { password: 'a-second-password' })]);
      assert.deepEqual(hashedUnderLock, [false, false, false]);

      await site.refused([user('bob', { password: 'a-first-password', groups: ['nobody'] })]);
      assert.equal(hashedUnderLock.length, 3);
    },
    {
      around: record => ({
        ...record,
        commit: (by, work) =>
          record.commit(by, async transaction => {
            locked = true;
            try {
              return await work(transaction);
            } finally {
              locked = false;
            }
          }),
      }),
    },
  );
});

test('a password that somebody else changes meanwhile is tried again against what is held then', async () => {
  let meanwhile: (() => Promise<unknown>) | undefined;
  await withSite(
    async site => {
      await site.apply([user('alice', { password: 'a-first-password' })]);
      meanwhile = async () => {
        meanwhile = undefined;
        await site.apply([user('alice', { password: 'from-elsewhere' })]);
      };
      const answer = await site.apply([user('alice', { password: 'a-first-password', displayName: 'A' })]);
      assert.equal(answer.changes[0]?.change, 'updated');
      const credential = (await get(site, 'User', 'alice')).status?.credentialVersion;
      assert.equal(credential, 3, 'the last write wins: the first password again, as a third credential');
    },
    {
      around: record => ({
        ...record,
        commit: async (by, work) => {
          await meanwhile?.();
          return record.commit(by, work);
        },
      }),
    },
  );
});

test('new passwords get the parameters of the site, those of the same apply too', () =>
  withSite(async site => {
    const kdf = { algorithm: 'argon2id', memoryKib: 32_768, passes: 3, lanes: 1 };
    await site.apply([
      user('alice', { password: 'a-first-password' }),
      { kind: 'SiteSettings', name: 'site', body: { kdf } },
    ]);
    const held = site.deps.replica.get('User', 'alice')?.system as { credential: { kdf: unknown } };
    assert.deepEqual(held.credential.kdf, kdf);
    assert.deepEqual((await get(site, 'User', 'alice')).status?.kdf, kdf);
  }));

test('a new password costs no less than the one before, which devices would refuse: whoever is new gets what the site asks for', () =>
  withSite(async site => {
    const settings = (memoryKib: number) => ({
      kind: 'SiteSettings',
      name: 'site',
      body: { kdf: { algorithm: 'argon2id', memoryKib, passes: 2, lanes: 1 } },
    });
    const memoryOf = async (name: string) =>
      ((await get(site, 'User', name)).status?.kdf as { memoryKib: number } | undefined)?.memoryKib;
    await site.apply([settings(32_768), user('alice', { password: 'a-first-password' })]);
    await site.apply([settings(19_456)]);
    await site.apply([
      user('alice', { password: 'a-second-password' }),
      user('bob', { password: 'another-first-password' }),
    ]);
    assert.deepEqual([await memoryOf('alice'), await memoryOf('bob')], [32_768, 19_456]);
    await site.apply([settings(40_960)]);
    await site.apply([user('alice', { password: 'a-third-password' })]);
    assert.equal(await memoryOf('alice'), 40_960);
  }));

test('a stale generation is a conflict and changes nothing; without it the last write wins', () =>
  withSite(async site => {
    await site.apply([user('alice')]);
    const read = await get(site, 'User', 'alice');
    await site.apply([user('alice', { displayName: 'first' })]);
    const problem = await site.refused([{ ...user('alice', { displayName: 'second' }), generation: read.generation }]);
    assert.equal(problem.status, 409);
    assert.match(problem.problems?.[0]?.message ?? '', new RegExp(`${read.generation}.*${generationOf(site)}`));
    assert.equal((await get(site, 'User', 'alice')).body.displayName, 'first');
    await site.apply([user('alice', { displayName: 'second' })]);
  }));

test('a conflict shows both versions of each object, without passwords and secrets', () =>
  withSite(async site => {
    const directory = (baseDn: string, bindPassword: unknown) => ({
      kind: 'Directory',
      name: 'ad',
      body: { type: 'ldap', urls: ['ldaps://dc1.example'], baseDn, bindPassword },
    });
    await site.apply([user('alice', { password: 'a-first-password' }), directory('dc=a', 'a-canary-secret')]);
    const at = generationOf(site) ?? 0;
    const problem = await site.refused([
      { ...user('alice', { displayName: 'mine', password: 'a-canary-password' }), generation: at - 1 },
      user('bob'),
      { ...directory('dc=b', 'another-canary'), generation: at - 1 },
      { ...user('carol'), generation: 1 },
    ]);
    assert.equal(problem.code, 'conflict');
    const server = { type: 'ldap', urls: ['ldaps://dc1.example'], bindPassword: { secret: 'set' } };
    assert.deepEqual(problem.conflicts, [
      {
        ...{ kind: 'User', name: 'alice', index: 0 },
        yours: { generation: at - 1, body: { displayName: 'mine' } },
        current: { generation: at, body: {} },
      },
      {
        ...{ kind: 'Directory', name: 'ad', index: 2 },
        yours: { generation: at - 1, body: { ...server, baseDn: 'dc=b' } },
        current: { generation: at, body: { ...server, baseDn: 'dc=a' } },
      },
      { kind: 'User', name: 'carol', index: 3, yours: { generation: 1, body: {} }, current: null },
    ]);
    assert.ok(!JSON.stringify(problem).includes('canary'));

    const many = Array.from({ length: 50 }, (_, n) => ({ ...user(`u${n}`), generation: 1 }));
    const bounded = await site.refused(many);
    assert.deepEqual([bounded.problems?.length, bounded.conflicts?.length], [50, 20]);
    const wrongAsWell = await site.refused([{ ...user('alice'), generation: 1 }, user('x', { nonsense: 1 })]);
    assert.deepEqual([wrongAsWell.code, wrongAsWell.conflicts], ['invalid_object', undefined]);
  }));

test('a dry run tells the same, changes nothing, derives no credential, and needs no Primary', async () => {
  const objects = [user('alice', { password: 'a-first-password' }), user('bob')];
  const dryRun = async (site: AdminSite) =>
    (await site.ask('POST', '/apply', { body: { objects, dryRun: true } })).body;
  await withSite(async site => {
    const generation = generationOf(site);
    const hashes = site.hasher.hashes();
    const told = await dryRun(site);
    assert.equal(site.hasher.hashes(), hashes);
    assert.equal(generationOf(site), generation);
    const { changes } = await site.apply(objects);
    assert.deepEqual(told, { epoch: 1, generation, changes });
  });
  await withSite(async site => assert.ok('changes' in ((await dryRun(site)) as object)), { instance: 'a-secondary' });
});

test('what is given may be sent back: no change, with generation and status as without', () =>
  withSite(async site => {
    await site.apply([user('alice', { password: 'a-first-password' })]);
    for (const [kind, name] of [
      ['User', 'alice'],
      ['Device', 'tc-1'],
      ['Server', 'primary'],
      ['Administrator', 'admin'],
    ]) {
      const given = await get(site, kind ?? '', name ?? '');
      const { status, body } = await site.ask('PUT', `/objects/${kind}/${name}`, { body: given });
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal((body as { changes: { change: string }[] }).changes[0]?.change, 'unchanged');
    }
  }));

test('a new name has nothing that nobody sees; an object that has such a name is read, changed and deleted by it', () =>
  withSite(async site => {
    const [before, unseen] = ['alice\u200b', 'a\u202eb'];
    await commit(site.deps.record, transaction => transaction.put('User', before, {}, {}));
    await site.deps.syncNow();
    const refused = await site.ask('POST', '/apply', { body: { objects: [user(unseen)], dryRun: false } });
    assert.equal(refused.status, 422);
    assert.match(JSON.stringify(refused.body), /a character that nobody sees/);

    const path = `/objects/User/${encodeURIComponent(before)}`;
    const given = (await site.ask('GET', path)).body as ObjectOutput;
    assert.equal(given.name, before);
    const { changes } = (await site.apply([{ ...given, body: { displayName: 'Alice' } }])) as ApplyAnswer;
    assert.deepEqual(changes, [{ kind: 'User', name: before, change: 'updated' }]);
    assert.equal((await site.ask('DELETE', path)).status, 200);
    const again = await site.ask('POST', '/apply', { body: { objects: [user(before)], dryRun: false } });
    assert.equal(again.status, 422, 'it is a new one now');
  }));

test('a changed server or directory makes a new site statement in the same commit, other objects do not', () =>
  withSite(async site => {
    await site.apply([user('alice')]);
    assert.equal(site.restated(), 0);
    await site.apply([{ kind: 'Server', name: 'primary', body: { url: PRIMARY_URL, order: 1 } }]);
    assert.equal(site.restated(), 1);
    await site.apply([
      {
        kind: 'Directory',
        name: 'lab',
        body: { type: 'ldap', urls: ['ldaps://dc.lab.test'], baseDn: 'dc=lab', suffix: 'lab.test' },
      },
    ]);
    assert.equal(site.restated(), 2);
  }));

test('a Secondary refuses every write and says where administration happens', () =>
  withSite(
    async site => {
      const writes = [
        await site.ask('POST', '/apply', { body: { objects: [user('alice')] } }),
        await site.ask('PUT', '/objects/User/alice', { body: { body: {} } }),
        await site.ask('DELETE', '/objects/Device/tc-1'),
        await site.ask('POST', '/tokens', { body: { for: 'device' } }),
      ];
      for (const { status, body } of writes) {
        const problem = body as Problem;
        assert.equal(status, 403);
        assert.equal(problem.code, 'not_primary');
        assert.equal(problem.primaryUrl, PRIMARY_URL);
        assert.match(problem.detail ?? '', /primary\.example/);
      }
      assert.equal((await site.ask('GET', '/objects/Device/tc-1')).status, 200, 'it can be read');
    },
    { instance: 'a-secondary' },
  ));

test('a server that is the Primary no more, but does not know it yet, steps down at the commit', () =>
  withSite(
    async site => {
      const problem = await site.refused([user('alice')]);
      assert.equal(problem.code, 'not_primary');
    },
    { around: record => ({ ...record, commit: async () => ({ kind: 'stepped_down' }) }) },
  ));

test('a database that says it is away is told so, at once', async () => {
  let away = false;
  const unlessAway =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (away) throw new DatabaseUnavailable('unreachable', 'connect ECONNREFUSED');
      return call(...args);
    };
  await withSite(
    async site => {
      away = true;
      const asked = [
        await site.ask('POST', '/apply', { body: { objects: [user('alice', { password: 'a-first-password' })] } }),
        await site.ask('DELETE', '/objects/Device/tc-1'),
        await site.ask('POST', '/tokens', { body: { for: 'device' } }),
        await site.ask('GET', '/history/Device/tc-1'),
        await site.ask('GET', '/events'),
      ];
      for (const { status, body } of asked) {
        assert.equal(status, 503);
        assert.equal((body as Problem).code, 'database_unavailable');
        assert.match((body as Problem).detail ?? '', /database/);
      }
      assert.equal(
        (await site.ask('GET', '/objects/Device/tc-1')).status,
        200,
        'what is served comes from the replica',
      );
      away = false;
      await site.apply([user('alice')]);
    },
    {
      around: record => ({
        ...record,
        site: unlessAway(record.site),
        commit: ((...args) => unlessAway(record.commit)(...args)) as typeof record.commit,
        history: unlessAway(record.history),
        events: unlessAway(record.events),
      }),
    },
  );
});

test('a database that says nothing is given up after 10 s, before and within the commit', async () => {
  let silent: 'site' | 'commit' | undefined;
  const never = new Promise<never>(() => {});
  await withSite(
    async site => {
      for (const where of ['site', 'commit'] as const) {
        silent = where;
        const asking = site.ask('POST', '/apply', { body: { objects: [user('alice')] } });
        let answered = false;
        void asking.then(() => {
          answered = true;
        });
        await site.clock.advance(9_000);
        assert.equal(answered, false);
        await site.clock.advance(1_500);
        const { status, body } = await asking;
        assert.equal(status, 503);
        assert.match((body as Problem).detail ?? '', where === 'site' ? /Nothing was changed/ : /not known/);
      }
    },
    {
      around: record => ({
        ...record,
        site: () => (silent === 'site' ? never : record.site()),
        commit: (by, work) => (silent === 'commit' ? never : record.commit(by, work)),
      }),
    },
  );
});

test('history tells who made what of an object, deletions too', () =>
  withSite(async site => {
    await site.apply([user('alice', { displayName: 'one' })]);
    await site.apply([user('alice', { displayName: 'two' })]);
    await site.ask('DELETE', '/objects/User/alice');
    const { items } = (await site.ask('GET', '/history/User/alice')).body as HistoryAnswer;
    assert.deepEqual(
      items.map(({ body }) => body),
      [null, { displayName: 'two' }, { displayName: 'one' }],
    );
    assert.deepEqual(new Set(items.map(({ actor }) => actor)), new Set(['local']));
    assert.equal((await site.ask('GET', '/history/User/nobody')).status, 404);
  }));

test('two thousand objects at once are one commit', () =>
  withSite(async site => {
    const groups = Array.from({ length: 300 }, (_, n) => ({
      kind: 'UserGroup',
      name: `group-${n}`,
      body: n === 0 ? {} : { parent: `group-${Math.floor((n - 1) / 3)}` },
    }));
    const users = Array.from({ length: 1_700 }, (_, n) => user(`user-${n}`, { groups: [`group-${n % 300}`] }));
    const before = generationOf(site) ?? 0;
    assert.equal((await site.apply([...users, ...groups])).generation, before + 1);
    assert.equal(site.deps.replica.count('User'), 1_700);
  }));
