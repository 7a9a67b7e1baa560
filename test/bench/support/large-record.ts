import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openSourceOfRecord } from '../../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../../packages/server/src/runtime/clock.ts';
import { newSite } from '../../support/record-fixtures.ts';

const FILE = 'site.db';
const KEY_HASH_BYTES = 32;

/** An embedded source of record `site.db` in a new folder, with so many devices. */
export async function fillRecord(dataDir: string, devices: number): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  const record = openSourceOfRecord(`sqlite:${FILE}`, { dataDir, clock: systemClock });
  await record.initialise(newSite(), []);
  await record.close();
  const handle = new Database(join(dataDir, FILE));
  const insert = handle.prepare(
    "INSERT INTO objects (kind, name, uid, generation, body, system, deleted) VALUES ('Device', ?, ?, 1, ?, ?, 0)",
  );
  handle.transaction(() => {
    for (let nth = 0; nth < devices; nth++) insert.run(`tc-${nth}`, randomUUID(), ...deviceTexts(nth));
  })();
  handle.close();
}

/** Body and system of a device, as enrolment makes them. */
function deviceTexts(nth: number): [string, string] {
  const system = {
    certificateExpiresAt: 1_900_000_000_000,
    certificateSerial: randomBytes(KEY_HASH_BYTES / 2).toString('hex'),
    enrolledAt: 1_700_000_000_000,
    enrolledBy: 'token',
    keyHash: randomBytes(KEY_HASH_BYTES).toString('base64url'),
  };
  return [JSON.stringify({ group: `ward-${nth % 1_000}` }), JSON.stringify(system)];
}

/** The same rows as a full sync reads. */
export function selectAll(dataDir: string): number {
  const handle = new Database(join(dataDir, FILE), { readonly: true });
  try {
    return handle.prepare('SELECT * FROM objects').all().length;
  } finally {
    handle.close();
  }
}
