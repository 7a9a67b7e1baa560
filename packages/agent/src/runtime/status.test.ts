import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_VERSION } from '@thinman/protocol';
import { UNKNOWN_HEALTH } from '../core/health.ts';
import type { AgentState, ServerHealth } from '../core/state.ts';
import { initialState } from '../core/transition.ts';
import { statusOf } from './status.ts';

const primary = { name: 'primary', url: 'https://primary.test', role: 'primary', keyHash: 'k' } as const;

function connected(health: Partial<ServerHealth>): AgentState {
  const site = { siteId: 's', epoch: 1, version: 1, directorySuffixes: [] };
  const memory = { accepted: NO_VERSION, heldDevice: NO_VERSION, heldNewest: NO_VERSION };
  return {
    ...initialState({ site, servers: [primary] }, memory),
    phase: 'running',
    health: { primary: { ...UNKNOWN_HEALTH, ...health } },
    connectivity: {
      kind: 'connected',
      since: 0,
      server: 'primary',
      channel: 1,
      move: { kind: 'none' },
      failbackProbeAt: 0,
    },
  };
}

test('says what the connected server says of itself', () => {
  assert.equal(statusOf(connected({ heard: 'serving' }), 'tc-1', 0).mode, 'online');
  const degraded = statusOf(connected({ heard: 'degraded' }), 'tc-1', 0);
  assert.equal(degraded.mode, 'degraded');
  assert.equal(degraded.server?.state, 'degraded');
});

test('is offline as soon as the connected server is known to be dead, before its channel has died', () => {
  const breaker = { kind: 'open', probeAt: 1 } as const;
  const once = statusOf(connected({ heard: 'serving', breaker, failures: 1 }), 'tc-1', 0);
  assert.equal(once.mode, 'online', 'one failed request proves nothing');
  const status = statusOf(connected({ heard: 'serving', breaker, failures: 2 }), 'tc-1', 0);
  assert.equal(status.mode, 'offline');
  assert.equal(status.server, null);
  assert.equal(status.servers[0]?.state, 'down');
});
