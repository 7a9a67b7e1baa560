import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type EffectiveAnswer, IfAppliedAnswer, type Problem, parseValue } from '@thinman/protocol';
import { type AdminSite, createAdminSite } from '../../../../test/support/admin-site.ts';

describe('what a change would do', () => {
  let site: AdminSite;
  before(async () => {
    site = await createAdminSite();
    await site.apply([
      { kind: 'DeviceGroup', name: 'ward-3', body: {} },
      { kind: 'UserGroup', name: 'nurses', body: {} },
      { kind: 'User', name: 'alice', body: { groups: ['nurses'] } },
      { kind: 'User', name: 'bob', body: {} },
      { kind: 'Policy', name: 'quiet', body: { settings: { power: { screenOffAfterMinutes: 5 } } } },
      { kind: 'Policy', name: 'large', body: { settings: { display: { scale: 2 } } } },
      { kind: 'Assignment', name: 'quiet', body: { policy: 'quiet', to: { deviceGroup: 'ward-3' } } },
      {
        kind: 'Assignment',
        name: 'both',
        body: { policy: 'large', to: { deviceGroup: 'ward-3', userGroup: 'nurses' } },
      },
    ]);
  });
  after(() => site.close());

  const ask = async (objects: readonly unknown[], more: object = {}) => {
    const { status, body } = await site.ask('POST', '/effective', { body: { objects, ...more } });
    assert.equal(status, 200, JSON.stringify(body));
    const parsed = parseValue(IfAppliedAnswer, body);
    assert.ok(parsed.ok);
    return parsed.value;
  };
  const generation = () => site.deps.replica.position()?.version.generation;

  test('a device that joins a group: on it alone, and nothing is done', async () => {
    const before = generation();
    const answer = await ask([{ kind: 'Device', name: 'tc-1', body: { group: 'ward-3' } }]);
    assert.deepEqual(answer.changes, [{ kind: 'Device', name: 'tc-1', change: 'updated' }]);
    assert.deepEqual(answer.devices, {
      ...{ affected: 1, of: 1 },
      items: [
        {
          device: 'tc-1',
          changes: [{ what: 'setting', name: 'power.screenOffAfterMinutes', before: null, after: 5 }],
        },
      ],
    });
    assert.equal(answer.users.affected, 0);
    assert.equal(generation(), before);
  });

  test('a rollout and what is planned for a moment: as they will be in the end, and that is said', async () => {
    const before = generation();
    await site.apply([{ kind: 'Device', name: 'tc-1', body: { group: 'ward-3' } }]);
    const to = { settings: { power: { screenOffAfterMinutes: 9 } } };
    const rollout = { kind: 'Rollout', name: 'r', body: { of: { policy: 'quiet' }, to, stages: [] } };
    const change = { what: 'setting', name: 'power.screenOffAfterMinutes', before: 5, after: 9 };
    const staged = await ask([rollout]);
    assert.deepEqual(staged.devices.items, [{ device: 'tc-1', changes: [change] }]);
    assert.deepEqual(staged.later, [{ kind: 'Rollout', name: 'r', at: null }]);
    const activateAt = { at: '2099-12-01T06:00', timeZone: 'Europe/Rome' };
    const planned = { policy: 'large', to: { site: true }, activateAt };
    const later = await ask([{ kind: 'Assignment', name: 'large', body: planned }]);
    assert.equal(later.devices.affected, 1);
    assert.deepEqual(later.later, [{ kind: 'Assignment', name: 'large', at: '2099-12-01T06:00 Europe/Rome' }]);
    assert.equal((await ask([{ kind: 'Policy', name: 'quiet', body: to }])).later, undefined);
    await site.apply([{ kind: 'Device', name: 'tc-1', body: {} }]);
    assert.equal(generation(), Number(before) + 2);
  });

  test('a policy on users of a ward: for them there, and not for others', async () => {
    const { devices, users } = await ask([
      { kind: 'Policy', name: 'large', body: { settings: { display: { scale: 3 } } } },
    ]);
    assert.equal(devices.affected, 0);
    assert.deepEqual(users, {
      ...{ affected: 1, of: 2 },
      items: [
        {
          ...{ user: 'alice', on: { deviceGroup: 'ward-3' } },
          changes: [{ what: 'setting', name: 'display.scale', before: 2, after: 3 }],
        },
      ],
    });
  });

  test('rules for offline login, by site settings or by policy', async () => {
    const bySite = await ask([
      { kind: 'SiteSettings', name: 'site', body: { offline: { excludedGroups: ['nurses'] } } },
    ]);
    assert.deepEqual(
      bySite.users.items.map(({ user, changes }) => [user, changes.map(({ what }) => what)]),
      [['alice', ['offline']]],
    );
    const byPolicy = await ask([
      { kind: 'Policy', name: 'offline', body: { settings: { 'agent.offline.allowed': false } } },
      { kind: 'Assignment', name: 'offline', body: { policy: 'offline', to: { user: 'bob' } } },
    ]);
    assert.deepEqual(
      byPolicy.users.items.map(({ user, changes }) => [user, changes.map(({ what }) => what)]),
      [['bob', ['setting', 'offline']]],
    );
  });

  test('a named device and user: what would hold there, and only that', async () => {
    const objects = [{ kind: 'Device', name: 'tc-1', body: { group: 'ward-3' } }];
    const answer = await ask(objects, { device: 'tc-1', user: 'alice' });
    assert.equal(answer.effective?.settings['display.scale']?.value, 2);
    assert.deepEqual(
      answer.users.items.map(({ changes }) => changes.map(({ name }) => name)),
      [['display.scale', 'power.screenOffAfterMinutes']],
    );
    const { status } = await site.ask('POST', '/effective', { body: { objects: [], device: 'nowhere' } });
    assert.equal(status, 404);
  });

  test('what apply would refuse is refused, by its field; so are contradictions and names that lead nowhere', async () => {
    const refused: readonly [object, RegExp][] = [
      [{ kind: 'Policy', name: 'x', body: { settings: { display: { scale: 9 } } } }, /display.scale/],
      [{ kind: 'Assignment', name: 'x', body: { policy: 'gone', to: { site: true } } }, /"gone", which does not exist/],
      [
        { kind: 'Policy', name: 'large', body: { scope: 'device', settings: { display: { scale: 3 } } } },
        /Assignment "both" puts this policy on users/,
      ],
      [
        { kind: 'Profile', name: 'x', body: { connections: [{ name: 'a', type: 'ssh', host: 'h', fallback: 'b' }] } },
        /"b", which no profile has/,
      ],
      [
        {
          kind: 'Profile',
          name: 'x',
          body: {
            connections: [
              { name: 'a', type: 'ssh', host: 'h', fallback: 'b' },
              { name: 'b', type: 'ssh', host: 'h', fallback: 'a' },
            ],
          },
        },
        /circle: a → b → a/,
      ],
      [
        {
          kind: 'Assignment',
          name: 'x',
          body: { policy: 'quiet', to: { site: true }, where: { subnet: ['10.0.0.0/40'] } },
        },
        /not a network/,
      ],
    ];
    for (const [object, word] of refused) {
      for (const path of ['/effective', '/apply']) {
        const { status, body } = await site.ask('POST', path, { body: { objects: [object] } });
        assert.equal(status, 422, JSON.stringify(body));
        const [problem] = (body as Problem).problems ?? [];
        assert.match(`${problem?.field} ${problem?.message}`, word);
      }
    }
  });

  test('a deletion: what is given no longer, where; and what names it still is named', async () => {
    const policyAndAssignment = [
      { kind: 'Assignment', name: 'both' },
      { kind: 'Policy', name: 'large' },
    ];
    const before = generation();
    const { changes, users, devices } = await ask([], { deleted: policyAndAssignment });
    assert.deepEqual(
      changes.map(({ kind, change }) => [kind, change]),
      [
        ['Assignment', 'deleted'],
        ['Policy', 'deleted'],
      ],
    );
    assert.equal(devices.affected, 0);
    assert.deepEqual(users.items, [
      {
        ...{ user: 'alice', on: { deviceGroup: 'ward-3' } },
        changes: [{ what: 'setting', name: 'display.scale', before: 2, after: null }],
      },
    ]);
    assert.equal(generation(), before);
    const refuse = async (deleted: readonly object[]) => {
      const { status, body } = await site.ask('POST', '/effective', { body: { objects: [], deleted } });
      return `${status} ${(body as Problem).problems?.[0]?.message ?? (body as Problem).detail}`;
    };
    assert.match(await refuse(policyAndAssignment.toReversed()), /^422 is still in use: Assignment "both" names it/);
    assert.match(await refuse([{ kind: 'Policy', name: 'nothing' }]), /^404 There is no Policy "nothing"/);
    assert.match(await refuse([{ kind: 'Polcy', name: 'large' }]), /^400 "Polcy" is no kind of object; did you mean/);
    const gone = await ask([], { deleted: [{ kind: 'User', name: 'bob' }] });
    assert.equal(gone.users.affected, 1, 'the rules for offline login go with the user');
  });

  test('an answer that is cut off says so', async () => {
    const names = Array.from({ length: 60 }, (_, at) => `ward-${at + 10}`);
    const { users } = await ask([]);
    assert.equal(users.more, undefined);
    const many = await ask([
      ...names.map(name => ({ kind: 'DeviceGroup', name, body: {} })),
      ...names.map(name => ({
        kind: 'Assignment',
        name,
        body: { policy: 'large', to: { deviceGroup: name, userGroup: 'nurses' } },
      })),
      ...Array.from({ length: 250 }, (_, at) => ({ kind: 'User', name: `u-${at}`, body: { groups: ['nurses'] } })),
    ]);
    assert.ok((many.placesLeftOut ?? 0) >= 10, 'more places than are looked at');
    assert.equal(many.users.items.length, 200);
    assert.ok((many.users.more ?? 0) > 0);
  });

  test('a secret is sealed where it is applied, shown as set, kept in another order, and never told', async () => {
    const networks = [{ ssid: 'guests' }, { ssid: 'Ward 3', passphrase: 'correct horse' }];
    const wifi = (list: readonly unknown[]) => [
      { kind: 'Policy', name: 'wifi', body: { settings: { network: { wifi: { networks: list } } } } },
      { kind: 'Assignment', name: 'wifi', body: { policy: 'wifi', to: { site: true } } },
    ];
    const foreseen = await ask(wifi(networks));
    assert.equal(foreseen.devices.affected, 1);
    await site.apply(wifi(networks));
    const stored = site.deps.replica.get('Policy', 'wifi');
    const sealed = (stored?.system.secrets as Record<string, string> | undefined)?.[
      'network.wifi.networks.Ward 3.passphrase'
    ];
    assert.equal(
      site.deps.dataKey.open(sealed ?? '', 'Policy/wifi/network.wifi.networks.Ward 3.passphrase'),
      'correct horse',
    );
    const shown = [{ ssid: 'guests' }, { ssid: 'Ward 3', passphrase: { secret: 'set' } }];
    const [first, second] = wifi(shown.toReversed());
    assert.equal((await site.apply([first, second])).changes[0]?.change, 'updated');
    assert.deepEqual(site.deps.replica.get('Policy', 'wifi')?.system.secrets, stored?.system.secrets);
    assert.equal((await site.apply(wifi(networks.toReversed()))).changes[0]?.change, 'unchanged');
    const effective = (await site.ask('GET', '/effective?device=tc-1')).body as EffectiveAnswer;
    assert.deepEqual(effective.settings['network.wifi.networks']?.value, shown.toReversed());
    const missing = await site.refused([
      { kind: 'Policy', name: 'other', body: { settings: { 'network.wifi.networks': shown } } },
    ]);
    assert.match(missing.problems?.[0]?.message ?? '', /none is held/);
    const told = JSON.stringify([
      foreseen,
      effective,
      site.events,
      (await site.ask('GET', '/objects/Policy')).body,
      (await site.ask('GET', '/history/Policy/wifi')).body,
    ]);
    assert.ok(!told.includes('correct horse') && !told.includes('sealed'));
  });
});
