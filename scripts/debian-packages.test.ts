import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftOut } from './debian-packages.ts';

const NEEDS = [
  { package: 'mariadb-server', program: 'mariadbd', suites: ['test/system/mariadb', 'test/contract/record'] },
  { package: 'iproute2', program: 'ip', suites: ['test/system/'] },
];
const FILES = ['packages/agent/src/a.test.ts', 'test/contract/record.test.ts', 'test/system/mariadb.test.ts'];

test('runs everything where all programs are installed', () => {
  assert.deepEqual(
    leftOut(FILES, NEEDS, () => true),
    [],
  );
});

test('leaves out the suites of a missing package, and names it', () => {
  assert.deepEqual(
    leftOut(FILES, NEEDS, program => program === 'ip'),
    [
      { file: 'test/contract/record.test.ts', packages: ['mariadb-server'] },
      { file: 'test/system/mariadb.test.ts', packages: ['mariadb-server'] },
    ],
  );
  assert.deepEqual(
    leftOut(['test/system/mariadb.test.ts'], NEEDS, () => false),
    [{ file: 'test/system/mariadb.test.ts', packages: ['mariadb-server', 'iproute2'] }],
  );
});
