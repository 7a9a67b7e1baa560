import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { caReadiness, type DeviceFacts, SEEN_LATELY_MS, type ServerFacts } from './ca-readiness.ts';

const [OLD, NEXT] = ['old-ca', 'next-ca'];
const NOW_MS = 1_800_000_000_000;
const YEAR_MS = 365 * 24 * 3_600_000;

const server = (more: Partial<ServerFacts> = {}): ServerFacts => ({
  ...{ name: 'secondary', linked: true, upToDate: true },
  certificate: { issuer: OLD, expiresAt: NOW_MS + YEAR_MS },
  ...more,
});
const device = (more: Partial<DeviceFacts> = {}): DeviceFacts => ({
  ...{ name: 'tc-1', enrolledPins: [OLD], held: undefined },
  ...{ certificateExpiresAt: NOW_MS + YEAR_MS, lastHeardAt: NOW_MS - 1_000 },
  ...more,
});
const shown = (waiting: readonly { readonly name: string; readonly why: string }[]) =>
  waiting.map(({ name, why }) => `${name} ${why}`);

function look(phase: 'begun' | 'switched', servers: readonly ServerFacts[], devices: readonly DeviceFacts[]) {
  const { waitingFor, away, readyDevices } = caReadiness({ phase, next: NEXT, nowMs: NOW_MS }, servers, devices);
  return { waitingFor: shown(waitingFor), away: shown(away), readyDevices };
}

test('a site with one CA waits for nobody', () => {
  const { waitingFor, readyDevices } = caReadiness(
    { phase: 'steady', next: OLD, nowMs: NOW_MS },
    [server()],
    [device()],
  );
  assert.deepEqual([waitingFor, readyDevices], [[], 1]);
});

describe('the switch', () => {
  test('waits for servers that nobody hears, and for those that are behind', () => {
    const servers = [server({ linked: false }), server({ name: 'third', upToDate: false }), server({ name: 'fourth' })];
    assert.deepEqual(look('begun', servers, []).waitingFor, ['secondary not_linked', 'third behind']);
  });

  test('waits for devices that were seen lately and have not said that they hold the next CA', () => {
    const devices = [
      device(),
      device({ name: 'tc-2', held: { caPins: [OLD, NEXT], issuer: OLD } }),
      device({ name: 'tc-3', enrolledPins: [OLD, NEXT] }),
      device({ name: 'tc-4', held: { caPins: [OLD], issuer: OLD } }),
    ];
    assert.deepEqual(look('begun', [], devices), {
      waitingFor: ['tc-1 lacks_next_ca', 'tc-4 lacks_next_ca'],
      away: [],
      readyDevices: 2,
    });
  });

  test('does not wait for devices in a store room, but names them', () => {
    const devices = [
      device({ lastHeardAt: NOW_MS - SEEN_LATELY_MS - 1 }),
      device({ name: 'tc-2', lastHeardAt: undefined }),
    ];
    assert.deepEqual(look('begun', [], devices), {
      waitingFor: [],
      away: ['tc-1 lacks_next_ca', 'tc-2 lacks_next_ca'],
      readyDevices: 0,
    });
  });
});

describe('the end', () => {
  test('waits for servers that show a certificate of the old CA, or that nobody hears', () => {
    const renewed = { issuer: NEXT, expiresAt: NOW_MS };
    const servers = [
      server(),
      server({ name: 'third', certificate: renewed }),
      server({ name: 'fourth', certificate: renewed, linked: false }),
      server({ name: 'fifth', certificate: undefined }),
    ];
    assert.deepEqual(look('switched', servers, []).waitingFor, [
      'secondary old_certificate',
      'fourth not_linked',
      'fifth old_certificate',
    ]);
  });

  test('waits for devices whose certificate is valid and of the old CA, however long nobody heard of them', () => {
    const devices = [
      device({ lastHeardAt: undefined }),
      device({ name: 'tc-2', held: { caPins: [NEXT, OLD], issuer: NEXT } }),
      device({ name: 'tc-3', enrolledPins: [NEXT, OLD] }),
      device({ name: 'tc-4', enrolledPins: [OLD, NEXT], held: { caPins: [NEXT, OLD], issuer: OLD } }),
    ];
    assert.deepEqual(look('switched', [], devices), {
      waitingFor: ['tc-1 old_certificate', 'tc-4 old_certificate'],
      away: [],
      readyDevices: 2,
    });
  });

  test('does not wait for a certificate that has expired', () => {
    const expired = device({ certificateExpiresAt: NOW_MS - 1 });
    assert.deepEqual(look('switched', [], [expired]).away, ['tc-1 old_certificate']);
  });
});
