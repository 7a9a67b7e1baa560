import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { DeviceSystem } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, type TestDevice } from '../../../../../test/support/device-site.ts';
import { waitFor } from '../../../../../test/support/wait.ts';
import { factsOf } from './facts.ts';

test('an address of IPv4 is told as one, on whatever socket it came', () => {
  assert.deepEqual(factsOf({ os: 'x' }, '::ffff:10.3.0.7'), { os: 'x', address: '10.3.0.7' });
  assert.deepEqual(factsOf({}, 'fe80::1'), { address: 'fe80::1' });
  assert.deepEqual(factsOf({ os: 'x' }, undefined), { os: 'x' });
});

describe('what a device says it is', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    device = await site.addDevice('tc-1');
    await site.put('Policy', 'big', { settings: { display: { scale: 2 } } });
  });
  after(() => site.close());

  const HELLO = { type: 'hello', agentVersion: '0.1.0', users: [], statement: [1, 1], bundle: '' };
  const facts = { model: 'Dell Inc. OptiPlex 3000', os: 'ThinOX 3.1' };
  const stored = () => (site.primary.deps.replica.get('Device', 'tc-1')?.system as DeviceSystem | undefined)?.facts;

  test('is not written where no filter asks; a filter that comes later asks devices that are connected', async () => {
    const channel = await site.primary.channel(device);
    const generation = () => site.primary.deps.replica.site()?.version.generation;
    const before = generation();
    channel.send({ ...HELLO, facts });
    await channel.next('hello');
    assert.equal(generation(), before);

    await site.put('Assignment', 'optiplex', {
      policy: 'big',
      to: { site: true },
      where: { model: ['*optiplex*'], subnet: ['127.0.0.0/8'] },
    });
    await waitFor('the facts to be written', () => stored());
    assert.deepEqual(stored(), { ...facts, address: '127.0.0.1' });
    const told = await waitFor('the bundle', () =>
      channel.frames.find(frame => frame.type === 'changed' && frame.bundle?.settings['display.scale'] === 2),
    );
    assert.ok(told);

    // Another version of the system changes no filter's word: nothing is written.
    const after = generation();
    channel.send({ ...HELLO, facts: { ...facts, os: 'ThinOX 3.2' } });
    await channel.next('hello');
    assert.deepEqual([stored()?.os, generation()], ['ThinOX 3.1', after]);
  });

  test('a Secondary makes the same bundle from what is written', async () => {
    const secondary = await site.startSecondary();
    const ask = (server: typeof secondary) => server.call(device, 'GET', '/v1/device/bundle');
    const [ours, theirs] = [await ask(site.primary), await ask(secondary)];
    assert.equal(theirs.body.settings['display.scale'], 2);
    assert.equal(theirs.body.etag, ours.body.etag);
  });
});
