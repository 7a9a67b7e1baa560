import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createUnixAccounts } from './unix-accounts.ts';

test('a record that is there as it must be is not written again; one that was changed, closed or removed is', t => {
  const root = mkdtempSync(join(tmpdir(), 'unix-accounts-'));
  t.after(() => rmSync(root, { recursive: true }));
  const folder = join(root, 'userdb');
  const files = { uidsFile: join(root, 'uids.json'), passwdFile: join(root, 'passwd') };
  writeFileSync(files.passwdFile, 'kiosk:x:900:900::/home/kiosk:/bin/sh\n');
  const accounts = createUnixAccounts({ kind: 'shared', account: 'kiosk', folder }, files);
  const record = join(folder, 'alice.user');
  accounts.make('alice');
  const right = readFileSync(record, 'utf8');
  // A file that is written anew takes the place of the old one: it is another one.
  const { ino } = statSync(record);
  accounts.make('alice');
  assert.equal(statSync(record).ino, ino);
  for (const damage of [
    () => writeFileSync(record, '{"userName":"alice","uid":0}\n'),
    () => chmodSync(record, 0o600),
    () => rmSync(record),
  ]) {
    damage();
    accounts.make('alice');
    assert.deepEqual([readFileSync(record, 'utf8'), statSync(record).mode & 0o777], [right, 0o644]);
  }
});
