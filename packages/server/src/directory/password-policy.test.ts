import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerReader } from 'ldapts';
import { PasswordPolicyControl, type PolicyState } from './password-policy.ts';

class Read extends PasswordPolicyControl {
  from(hex: string): PolicyState {
    this.parseControl(new BerReader(Buffer.from(hex, 'hex')));
    return this.state;
  }
}

test('what the policy control tells, and one that is broken tells nothing and comes to an end', () => {
  const EXPECTED = {
    '3000': {},
    '3003810101': { error: 1 },
    '3005a003800105': { expiresInS: 5 },
    '3008a003800105810102': { expiresInS: 5, error: 2 },
    '3003810501': {},
    '30028105': {},
    '3002a005': {},
    '30028100': {},
    '3002a000': {},
    '308400000010': {},
  };
  for (const [hex, state] of Object.entries(EXPECTED)) {
    let told: PolicyState = {};
    try {
      told = new Read().from(hex);
    } catch {
      // The library's reader says so: the answer is none.
    }
    assert.deepEqual(told, state, hex);
  }
});
