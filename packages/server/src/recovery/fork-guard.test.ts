import assert from 'node:assert/strict';
import { readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { newSite, SITE_ID } from '../../../../test/support/record-fixtures.ts';
import { createScratch } from '../../../../test/support/scratch.ts';
import { createLogger } from '../http/logger.ts';
import type { SiteRow, StoredObject } from '../ports.ts';
import { openReplica } from '../replica/replica.ts';
import { createForkGuard } from './fork-guard.ts';

const siteAt = (generation: number, commitId: string): SiteRow => {
  return { ...newSite(), version: { epoch: 1, generation }, commitId, compactedGeneration: 0, schema: 1 };
};
const user = (name: string): StoredObject => {
  return { kind: 'User', name, uid: name, generation: 1, body: { name }, system: {}, deleted: false };
};

test('a damaged copy that a longer line of commits replaces is exported first, if the database lacks what it rests on', async () => {
  await using scratch = createScratch('thinman-guard-');
  const { folder } = scratch;
  const clock = manualClock();
  const path = join(folder, 'replica.db');
  const replica = openReplica(path, { clock, siteId: SITE_ID });
  let lacks = false;
  const guard = createForkGuard({
    record: { lacks: async () => lacks },
    journal: { sendTo: () => {}, sendAgain: () => {} },
    role: () => 'primary',
    condition: () => ({ reachable: true, lastAnsweredMonotonicMs: 0, forked: false, error: undefined }),
    epoch: () => 1,
    onChange: () => {},
    log: createLogger({ level: 'silent' }),
    ...{ replica, folder, clock },
  });
  const exported = () => readdirSync(folder).filter(file => file.startsWith('fork-'));
  const first = { kind: 'full', site: siteAt(2, '22222222-a'), objects: [user('alice')] } as const;
  await guard.beforeDrop(first);
  replica.apply(first);
  // A whole copy decides by its own position.
  const longer = { kind: 'full', site: siteAt(9, '99999999-b'), objects: [user('bob')] } as const;
  lacks = true;
  await guard.beforeDrop(longer);
  assert.deepEqual(exported(), []);

  utimesSync(path, 1, 1);
  assert.equal(replica.position(), undefined, 'somebody else has touched it');
  lacks = false;
  await guard.beforeDrop(longer);
  assert.deepEqual(exported(), []);
  lacks = true;
  await guard.beforeDrop(longer);
  const [file = ''] = exported();
  assert.match(readFileSync(join(folder, file), 'utf8'), /^name: alice$/m);
  replica.close();
});
