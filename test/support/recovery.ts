import assert from 'node:assert/strict';

/** The recovery code that `init` has printed, or `ca begin`. */
export function recoveryCodeIn(printed: string): string {
  const [, code] = /^(?:new )?recovery code +(\S+)$/m.exec(printed) ?? [];
  assert.ok(code, `a recovery code is printed: ${printed}`);
  return code;
}
