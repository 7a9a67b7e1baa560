import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import { createDeviceSite } from '../../../../test/support/device-site.ts';

describe('files for devices', () => {
  test('are given whole or in part, with what a bundle says of them, and to devices alone', async () => {
    const site = await createDeviceSite();
    const device = await site.addDevice('tc-1');
    // Text that is JSON: what the test's caller can read.
    const content = Buffer.from(JSON.stringify('0123456789'));
    const sha256 = hash('sha256', content, 'hex');
    await site.put('Policy', 'p', { settings: { appearance: { wallpaper: 'w.png', logo: 'not-there' } } });
    await site.put('Assignment', 'p', { policy: 'p', to: { site: true } });
    const bundle = async () => (await site.primary.call(device, 'GET', '/v1/device/bundle')).body;
    const before = await bundle();
    assert.equal(before.files, undefined, 'a file that is not there is in no bundle');
    await site.primary.deps.write.record.commit(
      { instance: site.primary.deps.identity.instance, epoch: 1, actor: 'test' },
      async transaction => {
        await transaction.putFile(content);
        await transaction.put('File', 'w.png', { sha256, bytes: content.length }, {});
        return { write: true, result: undefined };
      },
    );
    await site.primary.sync();
    const after = await bundle();
    assert.deepEqual(after.files, [{ name: 'w.png', sha256, bytes: content.length }]);
    assert.notEqual(after.etag, before.etag);

    const get = (of: string, range?: string, from = site.primary) =>
      from.call(device, 'GET', `/v1/files/${of}`, { headers: range === undefined ? {} : { range } });
    const whole = await get(sha256);
    assert.deepEqual([whole.status, whole.body, whole.headers.etag], [200, '0123456789', `"${sha256}"`]);
    const part = await get(sha256, 'bytes=3-5');
    assert.deepEqual([part.status, part.body, part.headers['content-range']], [206, 234, 'bytes 3-5/12']);
    const rest = await get(sha256, 'bytes=2-3');
    assert.equal(rest.headers['content-length'], '2');
    assert.equal((await get(sha256, 'bytes=12-')).status, 416);
    assert.equal((await get(sha256, 'lines=1-2')).status, 200);
    for (const other of ['a'.repeat(64), '..%2F..%2Fsite.db', 'x']) assert.equal((await get(other)).status, 404, other);
    const stranger = await site.primary.call(undefined, 'GET', `/v1/files/${sha256}`);
    assert.ok(stranger.status >= 400 && stranger.status < 500);

    // A Secondary gives it from its own source of record, and then without it.
    const secondary = await site.startSecondary();
    assert.equal((await get(sha256, undefined, secondary)).body, '0123456789');
    await site.close();
  });
});
