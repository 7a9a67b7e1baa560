import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { createDeviceSite, type TestDevice } from '../../../../test/support/device-site.ts';

describe('events of a device', () => {
  test('are answered when they are on disk, once each, under the device that sent them', async () => {
    const site = await createDeviceSite();
    const [device, other] = [await site.addDevice('tc-1'), await site.addDevice('tc-2')];
    const event = { id: randomUUID(), type: 'login', at: 1, user: 'alice', data: { verdict: 'granted' } };
    const send = (from: TestDevice, events: object[]) =>
      site.primary.call(from, 'POST', '/v1/events', { body: { events } });
    for (let i = 0; i < 2; i++) assert.deepEqual((await send(device, [event])).body, { stored: [event.id] });
    // Another device cannot take the id away, nor say that it is the first one.
    await send(other, [event]);
    assert.equal((await send(other, [{ ...event, origin: 'device:tc-1' }])).body.code, 'bad_request');
    const stored = site.primary.pending().filter(({ id }) => id === event.id);
    assert.deepEqual(stored.map(({ origin }) => origin).toSorted(), ['device:tc-1', 'device:tc-2']);
    assert.equal(stored[0]?.takenBy, 'primary');
    const huge = { ...event, id: randomUUID(), data: { text: 'x'.repeat(20_000) } };
    assert.equal((await send(device, [huge])).body.problems[0].field, 'events.0');
    for (const at of [-1, 0.5, 1e300, 9.1e18]) {
      const { body } = await send(device, [{ ...event, id: randomUUID(), at }]);
      assert.equal(body.problems?.[0]?.field, 'events.0.at', `no moment: ${at}`);
    }
    const posed = await send(device, [{ ...event, id: randomUUID(), type: 'admin.commit' }]);
    assert.equal(posed.body.problems?.[0]?.field, 'events.0.type', "a server's own type");
    await site.close();
  });
});
