import { randomBytes, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Site } from '../../support/site.ts';
import { FLEET_GROUP } from './fleet-site.ts';

const DAY_MS = 24 * 3_600_000;
const HASH_BYTES = 32;
const SERIAL_BYTES = 16;

/**
 * Puts Device objects into a site's embedded database beside the server, as restoring a backup would: enrolling 100,000 devices one
 * by one is not what is measured. The server makes its replica anew when it starts again.
 */
export async function seedDevices(site: Site, from: number, to: number): Promise<void> {
  await site.primary.stop();
  const database = new Database(join(site.primary.data, 'site.db'));
  const generation = database.prepare<[], number>('SELECT generation FROM site').pluck().get();
  const insert = database.prepare(
    'INSERT INTO objects (kind, name, uid, generation, body, system, deleted) VALUES (?, ?, ?, ?, ?, ?, 0)',
  );
  const body = JSON.stringify({ group: FLEET_GROUP });
  database.transaction(() => {
    for (let at = from; at < to; at++) insert.run('Device', `seeded-${at}`, randomUUID(), generation, body, systemOf());
  })();
  database.close();
  for (const end of ['', '-wal', '-shm']) rmSync(join(site.primary.data, `replica.db${end}`), { force: true });
  await site.primary.start();
}

function systemOf(): string {
  const now = Date.now();
  return JSON.stringify({
    caPins: [randomBytes(HASH_BYTES).toString('base64url')],
    certificateExpiresAt: now + DAY_MS,
    certificateSerial: randomBytes(SERIAL_BYTES).toString('hex'),
    enrolledAt: now,
    enrolledBy: 'seeded',
    keyHash: randomBytes(HASH_BYTES).toString('base64url'),
  });
}
