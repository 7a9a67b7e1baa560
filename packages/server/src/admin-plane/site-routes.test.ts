import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeToken,
  type EffectiveAnswer,
  type EventPage,
  type ObjectPage,
  type Problem,
  type TokenAnswer,
} from '@thinman/protocol';
import { type AdminSite, createAdminSite, PRIMARY_URL, SECONDARY_URL } from '../../../../test/support/admin-site.ts';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { tokenSecretFits } from '../identity/token-secret.ts';

const withSite = async (work: (site: AdminSite) => Promise<void>) => {
  const site = await createAdminSite();
  try {
    await work(site);
  } finally {
    await site.close();
  }
};

test('a list comes in pages by name, each object once', () =>
  withSite(async site => {
    const names = Array.from({ length: 25 }, (_, n) => `user-${String(n).padStart(2, '0')}`);
    await site.apply(names.map(name => ({ kind: 'User', name, body: {} })));
    const seen: string[] = [];
    let after: string | null = null;
    let pages = 0;
    do {
      const query: string = after === null ? '' : `&after=${encodeURIComponent(after)}`;
      const { items, next } = (await site.ask('GET', `/objects/User?limit=10${query}`)).body as ObjectPage;
      seen.push(...items.map(({ name }) => name));
      after = next;
      pages++;
    } while (after !== null);
    assert.deepEqual([seen, pages], [names, 3]);
    for (const limit of ['0', '1001', 'x', '-1']) {
      assert.equal((await site.ask('GET', `/objects/User?limit=${limit}`)).status, 400, limit);
    }
  }));

test('an unknown kind is told, with the one that was meant', () =>
  withSite(async site => {
    const { status, body } = await site.ask('GET', '/objects/Usr');
    assert.equal(status, 404);
    assert.match((body as Problem).detail ?? '', /did you mean "User"/);
    assert.equal((await site.ask('GET', '/objects/__proto__')).status, 404);
    assert.equal((await site.ask('GET', '/objects/User/nobody')).status, 404);
  }));

test('a name with every character that names may have is found by its URL', () =>
  withSite(async site => {
    const name = `${'é'.repeat(60)}@Ω+~!`;
    await site.apply([{ kind: 'User', name, body: {} }]);
    assert.equal((await site.ask('GET', `/objects/User/${encodeURIComponent(name)}`)).status, 200);
  }));

test('PUT is an apply of one; it does not rename', () =>
  withSite(async site => {
    const put = (path: string, body: object) => site.ask('PUT', path, { body });
    assert.equal((await put('/objects/User/alice', { body: { displayName: 'A' } })).status, 200);
    assert.equal((await put('/objects/User/alice', { name: 'bob', body: {} })).status, 400);
    assert.equal((await put('/objects/User/alice', { body: { nope: 1 } })).status, 422);
    const stale = await put('/objects/User/alice', { body: { disabled: true }, generation: 1 });
    assert.equal(stale.status, 409);
    const [conflict] = (stale.body as Problem).conflicts ?? [];
    assert.deepEqual(conflict?.yours, { generation: 1, body: { disabled: true } });
    assert.equal(conflict?.current?.generation, site.deps.replica.get('User', 'alice')?.generation);
    assert.equal((await put('/objects/User/alice', {})).status, 400);
    assert.equal((await put('/objects/Device/tc-9', { body: {} })).status, 422, 'a device is not made like this');
  }));

test('a token for devices leads to all servers, pins the CA, and is known to the site by its hash alone', () =>
  withSite(async site => {
    await site.apply([{ kind: 'DeviceGroup', name: 'ward-3', body: {} }]);
    const asked = await site.ask('POST', '/tokens', {
      body: { for: 'device', group: 'ward-3', uses: 3, ttlMs: 3_600_000 },
    });
    const { token, name, expiresAt } = asked.body as TokenAnswer;
    const decoded = decodeToken(token);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.content.urls, [PRIMARY_URL, SECONDARY_URL]);
    assert.deepEqual(decoded.content.pins, site.deps.statement().caPins);
    assert.equal(Buffer.from(decoded.content.secret, 'base64url').length, 16);
    assert.equal(Date.parse(expiresAt), site.clock.nowMs() + 3_600_000);

    const stored = site.deps.replica.get('EnrollmentToken', name);
    assert.deepEqual(stored?.body, { purpose: 'device', group: 'ward-3', uses: 3, expiresAt });
    assert.ok(tokenSecretFits(decoded.content.secret, String(stored?.system.secretHash)));
    assert.doesNotMatch(JSON.stringify([stored, site.events]), new RegExp(decoded.content.secret));
  }));

test('a token for a server is bound to its name and URL, and good once for an hour', () =>
  withSite(async site => {
    const url = 'https://third.example:8443';
    const asked = await site.ask('POST', '/tokens', { body: { for: 'server', name: 'third', url } });
    const { name } = asked.body as TokenAnswer;
    const expiresAt = new Date(site.clock.nowMs() + 3_600_000).toISOString();
    assert.deepEqual(site.deps.replica.get('EnrollmentToken', name)?.body, {
      ...{ purpose: 'server', uses: 1, expiresAt, serverName: 'third', serverUrl: url },
    });
    const taken = await site.ask('POST', '/tokens', { body: { for: 'server', name: 'primary', url } });
    assert.equal((taken.body as Problem).code, 'name_taken');
  }));

test('a token for a device that is known is bound to its uid, and good once', () =>
  withSite(async site => {
    const ask = (device: string) => site.ask('POST', '/tokens', { body: { for: 'reenroll', device, ttlMs: 60_000 } });
    const { token, name, expiresAt } = (await ask('tc-1')).body as TokenAnswer;
    const decoded = decodeToken(token);
    assert.ok(decoded.ok && decoded.content.for === 'device');
    const stored = site.deps.replica.get('EnrollmentToken', name);
    assert.deepEqual(stored?.body, { purpose: 'device', uses: 1, expiresAt, device: 'tc-1' });
    assert.equal(stored?.system.deviceUid, site.deps.replica.get('Device', 'tc-1')?.uid);
    assert.match(JSON.stringify((await ask('tc-9')).body), /the Device \\"tc-9\\", which does not exist/);
    await site.apply([{ kind: 'Device', name: 'tc-1', body: { revoked: true } }]);
    assert.equal(((await ask('tc-1')).body as Problem).code, 'conflict');
  }));

test('a token that asks for nonsense is refused by its field', () =>
  withSite(async site => {
    const noGroup = await site.ask('POST', '/tokens', { body: { for: 'device', group: 'nowhere' } });
    assert.equal(noGroup.status, 422);
    assert.match(JSON.stringify(noGroup.body), /the DeviceGroup \\"nowhere\\", which does not exist/);
    for (const body of [
      {},
      { for: 'device', uses: 0 },
      { for: 'server', name: 'x', url: 'http://x' },
      { for: 'device', name: 'x' },
    ]) {
      assert.equal((await site.ask('POST', '/tokens', { body })).status, 400, JSON.stringify(body));
    }
  }));

test('what holds on a device is told with its origin', () =>
  withSite(async site => {
    await site.apply([
      { kind: 'DeviceGroup', name: 'ward-3', body: {} },
      { kind: 'Device', name: 'tc-1', body: { group: 'ward-3' } },
      { kind: 'UserGroup', name: 'nurses', body: {} },
      { kind: 'User', name: 'alice', body: { groups: ['nurses'] } },
      { kind: 'Policy', name: 'quiet', body: { settings: { power: { screenOffAfterMinutes: 10 } } } },
      {
        kind: 'Profile',
        name: 'nurses',
        body: { connections: [{ name: 'wiki', type: 'web', url: 'https://wiki.example' }] },
      },
      { kind: 'Assignment', name: 'quiet-ward', body: { policy: 'quiet', to: { deviceGroup: 'ward-3' } } },
      {
        kind: 'Assignment',
        name: 'nurses-here',
        body: { profile: 'nurses', to: { deviceGroup: 'ward-3', userGroup: 'nurses' } },
      },
    ]);
    const device = (await site.ask('GET', '/effective?device=tc-1')).body as EffectiveAnswer;
    assert.deepEqual(device.settings['power.screenOffAfterMinutes'], {
      value: 10,
      origin: { kind: 'Policy', name: 'quiet', assignment: 'quiet-ward' },
      enforced: false,
      overrides: [],
    });
    assert.deepEqual(device.profile.connections, []);
    const user = (await site.ask('GET', '/effective?device=tc-1&user=alice')).body as EffectiveAnswer;
    assert.deepEqual(user.profile.origins.wiki, { kind: 'Profile', name: 'nurses', assignment: 'nurses-here' });

    assert.equal((await site.ask('GET', '/effective')).status, 400);
    assert.match(JSON.stringify((await site.ask('GET', '/effective?device=tc-9')).body), /no Device/);
    assert.match(JSON.stringify((await site.ask('GET', '/effective?device=tc-1&user=zoe')).body), /no User/);
  }));

test('events come newest first, in pages, by type and by user', () =>
  withSite(async site => {
    const users = ['alice', 'bob', 'alice', 'carol', 'alice'];
    await site.deps.record.storeEvents(
      users.map((user, n) => recordedEvent({ user, at: n, type: n === 0 ? 'logout' : 'login' })),
    );
    const page = async (query: string) => (await site.ask('GET', `/events${query}`)).body as EventPage;
    const first = await page('?limit=2');
    assert.deepEqual(
      first.items.map(({ at }) => at),
      [4, 3],
    );
    const second = await page(`?limit=2&before=${first.next}`);
    assert.deepEqual(
      second.items.map(({ at }) => at),
      [2, 1],
    );
    const last = await page(`?limit=2&before=${second.next}`);
    assert.deepEqual([last.items.map(({ at }) => at), last.next], [[0], null]);
    assert.equal((await page('?user=alice')).items.length, 3);
    assert.equal((await page('?type=logout&user=alice')).items.length, 1);
    // Of a directory's user all spellings are one; a local user with a password has one name.
    const directories = { claims: () => 'plain', spellingsOf: () => ['alice', 'bob'] };
    Object.assign(site.deps, { directories });
    assert.equal((await page('?user=bob')).items.length, 4);
    await site.apply([{ kind: 'User', name: 'bob', body: { password: 'a-first-password' } }]);
    assert.equal((await page('?user=bob')).items.length, 1);
    assert.equal((await site.ask('GET', '/events?before=x')).status, 400);
  }));

test('answers are kept by nobody on the way', () =>
  withSite(async site => {
    for (const path of ['/objects/User', '/objects/User/nobody', '/status']) {
      assert.equal((await site.ask('GET', path)).headers['cache-control'], 'no-store', path);
    }
  }));

test('bodies of the wrong form are refused by field, and never a defect', () =>
  withSite(async site => {
    for (const body of [null, [], 'x', {}, { objects: {} }, { objects: [], more: 1 }, { objects: [], dryRun: 'yes' }]) {
      assert.equal((await site.ask('POST', '/apply', { body })).status, 400, JSON.stringify(body));
    }
    for (const object of [
      null,
      1,
      'x',
      [],
      { kind: 1 },
      { kind: 'User', name: 'a', body: [] },
      { kind: 'constructor', name: 'a', body: {} },
    ]) {
      assert.equal(
        (await site.ask('POST', '/apply', { body: { objects: [object] } })).status,
        422,
        JSON.stringify(object),
      );
    }
    assert.equal((await site.ask('POST', '/apply', { body: { objects: [] } })).status, 200, 'nothing to do is done');
  }));
