import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import {
  EMERGENCY_HOURS,
  type EmergencyParts,
  emergencyBytes,
  emergencyCode,
  inHalves,
  readEmergencyCode,
} from './emergency.ts';

const parts: EmergencyParts = { deviceId: 'device-1', user: 'alice', challenge: '01234567', hours: 8 };
const codeOf = (over: Partial<EmergencyParts> = {}) =>
  emergencyCode(
    createHmac('sha256', 'key')
      .update(emergencyBytes({ ...parts, ...over }))
      .digest(),
  );

test('a code is the first fifty bits, in letters and digits that nobody confuses', () => {
  assert.equal(emergencyCode(Buffer.alloc(32)), '0000000000');
  assert.equal(emergencyCode(Buffer.alloc(32, 255)), 'ZZZZZZZZZZ');
  // 00001 00010 00011 00100 00101 00110 00111 01000 01001 01010
  assert.equal(emergencyCode(Buffer.from('08864298e84a80', 'hex')), '123456789A');
});

test('another device, user, challenge or time has another code', () => {
  const others = [{ deviceId: 'device-2' }, { user: 'bob' }, { challenge: '01234568' }, { hours: 24 as const }];
  assert.equal(new Set([codeOf(), ...others.map(codeOf)]).size, others.length + 1);
  assert.equal(new Set(EMERGENCY_HOURS.map(hours => codeOf({ hours }))).size, EMERGENCY_HOURS.length);
});

test('a name is the same however its accents are typed', () => {
  assert.equal(codeOf({ user: 'ren\u00e9' }), codeOf({ user: 'rene\u0301' }));
});

test('is read as people type it, and nothing else is', () => {
  assert.equal(readEmergencyCode(` ${inHalves('ABCDE01234').toLowerCase()} `), 'ABCDE01234');
  assert.equal(readEmergencyCode('abcde oil34'), 'ABCDE01134');
  for (const wrong of ['', 'ABCDE0123', 'ABCDE012345', 'ABCDU01234', 'ABCDE0123\u00e9']) {
    assert.equal(readEmergencyCode(wrong), undefined, wrong);
  }
});
