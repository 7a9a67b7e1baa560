import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findSecrets } from './canaries.ts';

const SECRET = 'rds-17.ward.example';

function withFile(content: string | Buffer, check: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-canaries-'));
  try {
    mkdirSync(join(folder, 'deep'));
    writeFileSync(join(folder, 'deep', 'file.db'), content);
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('finds nothing where there is nothing', () => {
  withFile('rds-18.ward.example', folder => assert.deepEqual(findSecrets([folder], [SECRET]), []));
});

test('finds a secret in every usual way to write it, wherever in a longer text it stands', () => {
  const forms = ['utf8', 'utf16le', 'hex', 'base64', 'base64url'] as const;
  for (const form of forms) {
    for (const before of ['', 'x', 'xy', 'xyz', '"']) {
      const whole = Buffer.from(`${before}${SECRET}${before}`);
      const content =
        form === 'utf16le' ? Buffer.from(`${before}${SECRET}`, 'utf16le') : Buffer.from(whole.toString(form));
      withFile(content, folder => {
        assert.equal(findSecrets([folder], [SECRET]).length > 0, true, `${form} after "${before}"`);
      });
    }
  }
});

test('says which file and which secret', () => {
  withFile(`{"host":"${SECRET}"}`, folder => {
    const [find] = findSecrets([folder], ['another secret', SECRET]);
    assert.deepEqual(find, { file: join(folder, 'deep', 'file.db'), secret: SECRET, form: 'as it is' });
  });
});
