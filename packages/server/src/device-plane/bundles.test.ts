import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DEFAULT_OFFLINE_RULES, DeviceBundle, parseValue } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../../../../test/support/device-site.ts';

const MINUTE_MS = 60_000;
const v = (name: string) => `$\{${name}}`;

describe('bundles', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    await site.put('DeviceGroup', 'ward-3', {});
    await site.put('UserGroup', 'nurses', {});
    device = await site.addDevice('tc-1', { group: 'ward-3' });
    await site.addUser('alice', { groups: ['nurses'] });
    await site.put('Policy', 'quiet', {
      settings: { power: { screenOffAfterMinutes: 10 }, keyboard: { layout: 'it' } },
    });
    await site.put('Assignment', 'quiet', { policy: 'quiet', to: { deviceGroup: 'ward-3' } });
    await site.put('Profile', 'nurses', { connections: [{ name: 'ward', type: 'rdp', host: 'rds.example.org' }] });
    await site.put('Assignment', 'nurses', { profile: 'nurses', to: { userGroup: 'nurses' } });
  });
  after(() => site.close());
  const deviceBundle = (etag?: string) =>
    site.primary.call(device, 'GET', '/v1/device/bundle', {
      headers: etag === undefined ? {} : { 'if-none-match': etag },
    });
  const loggedIn = async () => {
    const body = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
    return (await site.primary.call(device, 'POST', '/v1/login', { body })).body;
  };

  test('of a device: its settings, connections and timings', async () => {
    const { body } = await deviceBundle();
    assert.ok(parseValue(DeviceBundle, body).ok);
    assert.deepEqual(body.settings, { 'keyboard.layout': 'it', 'power.screenOffAfterMinutes': 10 });
    assert.deepEqual(body.profile, { connections: [] });
  });
  test('of a user: settings that are not the device’s alone, the profile, the rules for offline', async () => {
    const { bundle } = await loggedIn();
    assert.deepEqual(bundle.settings, { 'keyboard.layout': 'it' });
    assert.deepEqual(bundle.profile.connections, [{ name: 'ward', type: 'rdp', host: 'rds.example.org' }]);
    assert.deepEqual(bundle.offline, DEFAULT_OFFLINE_RULES);
  });
  test('304 with the version up to which it holds, also after a commit that changes nothing for it', async () => {
    const first = await deviceBundle();
    assert.equal(first.headers.etag, `"${first.body.etag}"`);
    await site.addUser('somebody-else');
    const second = await deviceBundle(`"other", W/"${first.body.etag}"`);
    assert.equal(second.status, 304);
    assert.equal(second.body, undefined);
    const { version } = site.primary.deps.replica.site() ?? {};
    assert.equal(second.headers['thinman-version'], `${version?.epoch}.${version?.generation}`);
    assert.ok((version?.generation ?? 0) > first.body.version.generation);
  });
  test('a changed policy, timing or group makes another one', async () => {
    const before = (await deviceBundle()).body;
    await site.put('SiteSettings', 'site', { agent: { hedgeDelayMs: 50 } });
    const after = await deviceBundle(`"${before.etag}"`);
    assert.equal(after.status, 200);
    assert.equal(after.body.timings.hedgeDelayMs, 50);
    await site.put('Device', 'tc-1', {});
    assert.deepEqual((await deviceBundle()).body.settings, {});
    await site.put('Device', 'tc-1', { group: 'ward-3' });
  });
  test('offline login is forbidden by the site, by the user, or by a group around the user’s', async () => {
    const offline = async () => (await loggedIn()).bundle.offline;
    await site.put('SiteSettings', 'site', { offline: { maxAgeDays: 1.5 } });
    assert.deepEqual(await offline(), { ...DEFAULT_OFFLINE_RULES, maxAgeMs: 36 * 60 * MINUTE_MS });
    await site.put('UserGroup', 'staff', {});
    await site.put('UserGroup', 'nurses', { parent: 'staff' });
    for (const settings of [{ allowed: false }, { excludedGroups: ['staff'] }]) {
      await site.put('SiteSettings', 'site', { offline: settings });
      assert.equal((await offline()).allowed, false);
    }
    await site.put('SiteSettings', 'site', {});
    assert.equal((await offline()).allowed, true);
    await site.put('User', 'alice', { groups: ['nurses'], offlineLogin: false });
    assert.equal((await offline()).allowed, false);
  });

  test('variables are filled in for the device, the user and the site; what has no value is left out', async () => {
    await site.put('SiteSettings', 'site', { siteName: 'St. Anna' });
    const nurse = { attributes: { shift: 'night' }, displayName: 'Nina Neri', groups: ['nurses'] };
    await site.addUser('nina', nurse);
    const here = await site.addDevice('tc-7', { group: 'ward-3', attributes: { ward: 'w7' } });
    await site.put('Policy', 'named', {
      settings: {
        'appearance.organisation': `${v('site.name')}, $${v('name')}`,
        'browser.homepage': `https://${v('device.attribute.ward')}.example.org/${v('user.attribute.shift')}`,
        'session.loginMessage': v('device.attribute.floor'),
      },
    });
    await site.put('Assignment', 'named', { policy: 'named', to: { site: true } });
    await site.put('Profile', 'night', {
      connections: [
        { name: 'mine', type: 'rdp', host: `${v('device.attribute.ward')}.example.org`, user: v('user.name') },
        { name: 'odd', type: 'rdp', host: v('user.displayName') },
        { name: 'upstairs', type: 'web', url: `https://${v('device.attribute.floor')}.example.org` },
        { name: 'floor', type: 'rdp', host: `${v('device.attribute.floor:-ground')}.example.org` },
      ],
    });
    await site.put('Assignment', 'night', { profile: 'night', to: { user: 'nina' } });
    const own = await site.primary.call(here, 'GET', '/v1/device/bundle');
    assert.equal(own.body.settings['appearance.organisation'], `St. Anna, ${v('name')}`);
    assert.equal(own.body.settings['browser.homepage'], undefined);
    assert.equal(own.body.settings['session.loginMessage'], undefined);
    const body = await site.loginRequest(site.primary, here, 'nina', PASSWORD);
    const { bundle } = (await site.primary.call(here, 'POST', '/v1/login', { body })).body;
    assert.equal(bundle.settings['browser.homepage'], 'https://w7.example.org/night');
    assert.deepEqual(
      bundle.profile.connections.filter((one: { name: string }) => one.name !== 'ward'),
      [
        { name: 'floor', type: 'rdp', host: 'ground.example.org' },
        { name: 'mine', type: 'rdp', host: 'w7.example.org', user: 'nina' },
      ],
    );
  });

  test('a secret is opened for the device that gets it, and nowhere else; one that stays shut takes its setting along', async () => {
    const settings = { network: { wifi: { networks: [{ ssid: 'Ward 3', passphrase: { secret: 'set' } }] } } };
    const field = 'network.wifi.networks.Ward 3.passphrase';
    const sealed = site.primary.deps.write.dataKey.seal('correct horse', `Policy/wifi/${field}`);
    await site.put('Policy', 'wifi', { settings }, { secrets: { [field]: sealed } });
    await site.put('Assignment', 'wifi', { policy: 'wifi', to: { deviceGroup: 'ward-3' } });
    const wifi = async () => (await deviceBundle()).body.settings['network.wifi.networks'];
    assert.deepEqual(await wifi(), [{ ssid: 'Ward 3', passphrase: 'correct horse' }]);
    assert.equal((await loggedIn()).bundle.settings['network.wifi.networks'], undefined);
    await site.put('Policy', 'wifi', { settings }, { secrets: { [field]: `${sealed.slice(0, -4)}AAAA` } });
    assert.equal(await wifi(), undefined);
  });

  test('who may log in offline, and for how long, may be said by policy, of a group of users or of devices', async () => {
    await site.put('Policy', 'guarded', {
      settings: { agent: { offline: { maxAgeDays: 1 }, loginDeadlineMs: 9_000 } },
    });
    await site.put('Assignment', 'guarded', { policy: 'guarded', to: { deviceGroup: 'ward-3' } });
    await site.addUser('omar', { groups: ['nurses'] });
    const rules = async () => {
      const body = await site.loginRequest(site.primary, device, 'omar', PASSWORD);
      return (await site.primary.call(device, 'POST', '/v1/login', { body })).body.bundle.offline;
    };
    assert.deepEqual(await rules(), { ...DEFAULT_OFFLINE_RULES, maxAgeMs: 24 * 60 * MINUTE_MS });
    assert.equal((await deviceBundle()).body.timings.loginDeadlineMs, 9_000);
    await site.put('Policy', 'online', { settings: { agent: { offline: { allowed: false } } } });
    await site.put('Assignment', 'online', { policy: 'online', to: { userGroup: 'nurses' } });
    assert.equal((await rules()).allowed, false);
  });
});
