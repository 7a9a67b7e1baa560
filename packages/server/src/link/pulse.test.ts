import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { WebSocket } from 'ws';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { LINK_PING_INTERVAL_MS, watchPulse } from './pulse.ts';

function watched() {
  const clock = manualClock();
  const told: string[] = [];
  const socket = Object.assign(new EventEmitter(), {
    ...{ readyState: 1, OPEN: 1 },
    ping: () => told.push('ping'),
    terminate: () => told.push('terminated'),
  });
  const stop = watchPulse(socket as unknown as WebSocket, clock);
  return { clock, told, socket, stop };
}

describe('the pulse of the link', () => {
  it('ends a connection that is silent for three intervals: a Primary that hangs is known within six seconds', async () => {
    const { clock, told } = watched();
    await clock.advance(3 * LINK_PING_INTERVAL_MS - 1);
    assert.deepEqual(told, ['ping', 'ping']);
    await clock.advance(1);
    assert.deepEqual(told, ['ping', 'ping', 'terminated']);
    assert.ok(clock.monotonicMs() <= 6_000);
    assert.equal(clock.waiting(), 0);
  });

  it('goes on while anything comes, and stops when it is told', async () => {
    const { clock, told, socket, stop } = watched();
    for (const sign of ['pong', 'ping', 'message', 'pong', 'message']) {
      await clock.advance(2 * LINK_PING_INTERVAL_MS);
      socket.emit(sign);
    }
    assert.ok(!told.includes('terminated'));
    stop();
    assert.equal(clock.waiting(), 0);
  });
});
