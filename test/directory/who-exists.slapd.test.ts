import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD } from '../support/directories/hospital.ts';
import { openDirectories } from '../support/directories/open-directories.ts';
import { startSlapd } from '../support/directories/slapd.ts';
import { differsByMore } from '../support/rank-test.ts';

const NAMES = 6;
const ROUNDS = 40;
/** The directory itself works for either: it compares a password, or looks for an entry that is not there. */
const ALLOWED_MS = 0.3;
/** Of other names that nobody has, on purpose: it shows what would be seen. */
const DELAY_MS = 1;

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('who exists in a directory is told neither by the answer nor by its time, though a millisecond would be seen', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-who-'));
  try {
    await using slapd = await startSlapd(folder, { users: NAMES });
    using directories = openDirectories({
      lab: {
        ...{ type: 'ldap', urls: [slapd.ldapsUrl], ca: slapd.ca, baseDn: BASE_DN, suffix: 'lab.test' },
        ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
      },
    });
    const times = { known: [] as number[], unknown: [] as number[], delayed: [] as number[] };
    const groups = [
      ['known', 'u'],
      ['unknown', 'x'],
      ['delayed', 'y'],
    ] as const;
    // All alike in each round, so that whatever the machine does meanwhile meets all of them.
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let at = 0; at < NAMES; at += 1) {
        for (const [group, letter] of groups) {
          const began = performance.now();
          if (group === 'delayed') spin(DELAY_MS);
          const answer = await directories.login(`${letter}${at}@lab.test`, 'a-guess');
          times[group].push(performance.now() - began);
          assert.deepEqual(answer, { kind: 'denied', code: 'credentials_invalid' });
        }
      }
    }
    const seen = differsByMore(times.delayed, times.unknown, ALLOWED_MS);
    const found = differsByMore(times.known, times.unknown, ALLOWED_MS);
    assert.ok(seen.isSure, `a delay of ${DELAY_MS} ms was not seen: ${JSON.stringify(seen)}`);
    assert.ok(!found.isSure, `who exists can be told by time: ${JSON.stringify(found)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
