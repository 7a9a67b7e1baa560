import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { LocalSettingsUnusable, readLocalSettings, unixAccountSettings } from './local-settings.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-settings-'));
  file = join(folder, 'local.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (text: string) => {
  writeFileSync(file, text);
  return readLocalSettings(file);
};

describe('local.json', () => {
  test('may be missing, and may set one thing alone', () => {
    assert.deepEqual(readLocalSettings(file), {});
    assert.deepEqual(read('{ "greeter": { "port": 7080 } }'), { greeter: { port: 7080 } });
  });

  test('has a default for all but which kind of accounts there are', () => {
    const { unixAccounts } = read('{ "unixAccounts": { "kind": "shared", "account": "kiosk" } }');
    assert.deepEqual(unixAccounts && unixAccountSettings(unixAccounts), {
      kind: 'shared',
      account: 'kiosk',
      folder: '/run/userdb',
    });
    assert.deepEqual(unixAccountSettings({ kind: 'own', homes: '/srv' }), {
      kind: 'own',
      firstUid: 70_000,
      lastUid: 99_999,
      homes: '/srv',
      shell: '/bin/bash',
      folder: '/run/userdb',
    });
  });

  const wrong: readonly [what: string, text: string][] = [
    ['no JSON', 'port: 7080'],
    ['a field that nobody knows', '{ "greter": { "port": 7080 } }'],
    ['a port that is none', '{ "greeter": { "port": 70800 } }'],
    ['a shared account without a name', '{ "unixAccounts": { "kind": "shared" } }'],
    ['uids of the system', '{ "unixAccounts": { "kind": "own", "firstUid": 0 } }'],
    ['a folder that is no absolute path', '{ "unixAccounts": { "kind": "own", "homes": "home" } }'],
  ];
  for (const [what, text] of wrong) {
    test(`with ${what} is refused, in one line that names the file`, () => {
      assert.throws(
        () => read(text),
        (error: unknown) =>
          error instanceof LocalSettingsUnusable && error.message.startsWith(file) && !error.message.includes('\n'),
      );
    });
  }

  test('that cannot be read is no missing one', () => {
    assert.throws(() => readLocalSettings(folder), LocalSettingsUnusable);
  });
});
