import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import type { ObjectKind } from '@thinman/protocol';
import { createScratch } from '../../../../test/support/scratch.ts';
import { parseFile } from '../cli/thinman/documents.ts';
import type { Loss } from '../core/losses.ts';
import { findForkFile, forkFile, writeForkFile } from './fork-file.ts';

function loss(kind: ObjectKind, name: string, how: Loss['loss'], more: Partial<Loss['object']> = {}): Loss {
  return {
    loss: how,
    object: { kind, name, uid: 'u', generation: 5, body: {}, system: {}, deleted: how === 'deleted', ...more },
  };
}

const LOSSES = [
  loss('Device', 'tc-9', 'missing', { body: { group: 'ward' }, system: { keyHash: 'KEYHASH' } }),
  loss('Directory', 'ad', 'changed', { body: { bindPassword: { secret: 'set' } }, system: { secrets: {} } }),
  loss('EnrollmentToken', 'old', 'deleted'),
  loss('User', 'alice', 'missing', { body: { displayName: 'Alice: # 1' }, system: { credential: { salt: 'SALT' } } }),
  loss('User', 'bob', 'system', { system: { credential: { salt: 'SALT' } } }),
];

test('what goes is put by as apply takes it, and what apply cannot do is said as a comment', () => {
  const text = forkFile({ epoch: 1, generation: 57 }, LOSSES);
  const { objects, mistakes } = parseFile('fork.yaml', text);
  assert.deepEqual(mistakes, []);
  assert.deepEqual(
    objects.map(({ value }) => value),
    [
      { kind: 'Directory', name: 'ad', body: { bindPassword: { secret: 'set' } } },
      { kind: 'User', name: 'alice', body: { displayName: 'Alice: # 1' } },
    ],
  );
  assert.match(text, /up to 1\.57/);
  assert.match(text, /^# {3}thinman device approve KEYHASH --name tc-9$/m);
  assert.match(text, /^# {3}thinman delete EnrollmentToken old$/m);
  for (const name of ['Directory ad', 'User alice', 'User bob']) assert.match(text, new RegExp(`^#   ${name}$`, 'm'));
  assert.doesNotMatch(text, /SALT/);
});

test('the file is this user\u2019s alone, and is found again by the commit that it goes up to', async () => {
  await using scratch = createScratch('thinman-fork-');
  const position = { siteId: 's', version: { epoch: 1, generation: 57 }, commitId: '0badcafe-1111' };
  assert.equal(findForkFile(scratch.folder, position), undefined);
  const path = writeForkFile(scratch.folder, position, LOSSES, { nowMs: () => Date.UTC(2026, 10, 23, 4, 5, 6) });
  assert.match(path, /\/fork-20261123T040506Z-0badcafe\.yaml$/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(readFileSync(path, 'utf8'), forkFile(position.version, LOSSES));
  assert.equal(findForkFile(scratch.folder, position), path);
  assert.equal(findForkFile(scratch.folder, { ...position, commitId: '1badcafe-1111' }), undefined);
});
