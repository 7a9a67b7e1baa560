import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countLeftOut, countSkipped, leftOut, NEEDS, type Need } from './machine-needs.ts';

const need = (name: string, suites: RegExp, isMet: boolean, more: Partial<Need> = {}): Need => ({
  name,
  suites,
  isMet: () => isMet,
  ...more,
});
const FILES = ['packages/agent/src/a.test.ts', 'test/database/record.test.ts', 'test/mysql9/record.test.ts'];
const namesOf = (needs: readonly Need[]) =>
  leftOut(FILES, needs).map(({ file, lacks }) => [file, lacks.map(n => n.name)]);

/** What a suite needs of a bare machine. */
const needsOf = (file: string) =>
  NEEDS.filter(({ suites }) => suites.test(file)).map(({ name }) => name.split(' ').at(-1));

test('runs everything where all needs are met', () => {
  assert.deepEqual(namesOf([need('db', /^test/, true)]), []);
});

test('leaves out the suites of a missing need, and names it', () => {
  const needs = [need('db', /database/, false), need('my', /mysql9/, false), need('ip', /^test/, true)];
  assert.deepEqual(namesOf(needs), [
    ['test/database/record.test.ts', ['db']],
    ['test/mysql9/record.test.ts', ['my']],
  ]);
  assert.deepEqual(namesOf([need('root', /^test/, false), need('my', /mysql9/, false)]), [
    ['test/database/record.test.ts', ['root']],
    ['test/mysql9/record.test.ts', ['root', 'my']],
  ]);
});

test('looks for nothing that no suite asks for', () => {
  leftOut(['packages/agent/src/a.test.ts'], [need('db', /database/, false, { isMet: () => assert.fail('looked') })]);
});

test('what is left out is skipped at home and failed in CI, where only MySQL 9 may be missing', () => {
  const isMet = () => false;
  const absent = leftOut(
    FILES,
    NEEDS.map(each => ({ ...each, isMet: each.mayBeMissing ? isMet : () => true })),
  );
  assert.deepEqual(
    absent.map(({ file }) => file),
    ['test/mysql9/record.test.ts'],
  );
  assert.deepEqual(countLeftOut(absent, true), { passed: 0, failed: 0, skipped: 1 });
  assert.deepEqual(countLeftOut(absent, false), { passed: 0, failed: 0, skipped: 1 });

  const bare = leftOut(
    FILES,
    NEEDS.map(each => ({ ...each, isMet })),
  );
  assert.equal(bare.length, 2);
  assert.deepEqual(countLeftOut(bare, true), { passed: 0, failed: 2, skipped: 0 });
  assert.deepEqual(countLeftOut(bare, false), { passed: 0, failed: 0, skipped: 2 });
});

test('what a test skips by itself is failed in CI', () => {
  const totals = { passed: 5, failed: 1, skipped: 2 };
  assert.deepEqual(countSkipped(totals, false), totals);
  assert.deepEqual(countSkipped(totals, true), { passed: 5, failed: 3, skipped: 0 });
});

test('a path says what its suite needs', () => {
  assert.deepEqual(needsOf('packages/server/src/record/dialects/mysql/pool.test.ts'), []);
  assert.deepEqual(needsOf('test/system/primary-killed.test.ts'), []);
  assert.deepEqual(needsOf('test/system/full-disk-server.test.ts'), ['device)']);
  assert.deepEqual(needsOf('test/database/full-disk.test.ts').at(-1), 'device)');
  assert.deepEqual(needsOf('test/security/other-unix-users.test.ts'), ['root']);
  for (const traced of ['killed-at-each-write', 'promotion', 'restored-database']) {
    assert.deepEqual(needsOf(`test/system/${traced}.test.ts`), ['strace', 'ptrace)']);
  }
  const mariadb = ['util-linux', 'mariadb-server', 'openssl'];
  assert.deepEqual(needsOf('test/database/source-of-record.mariadb.test.ts'), mariadb);
  assert.deepEqual(needsOf('test/support/databases/replication.test.ts'), mariadb);
  assert.deepEqual(needsOf('test/contract/x.mariadb.test.ts'), mariadb);
  assert.deepEqual(needsOf('test/system/half-database-killed.test.ts'), mariadb);
  assert.deepEqual(needsOf('test/galera/node-killed.test.ts'), [...mariadb, 'galera-4', 'haproxy', 'rsync', 'lsof']);
  const network = ['iproute2', 'nftables', 'socat', 'root'];
  assert.deepEqual(needsOf('test/network/packets-dropped.test.ts'), [...mariadb, ...network]);
  assert.deepEqual(needsOf('test/network/full-partition.test.ts'), [...mariadb, ...network]);
  assert.deepEqual(needsOf('test/bench/failover.ts'), ['util-linux', ...network]);
  assert.deepEqual(needsOf('test/bench/login.ts'), []);
  assert.deepEqual(needsOf('test/mysql9/full-replication.test.ts'), ['util-linux', 'openssl', '9']);
  assert.deepEqual(needsOf('test/mysql9/innodb-cluster.mysql9.test.ts'), ['util-linux', 'openssl', '9', '9']);
  assert.deepEqual(needsOf('test/system/clock-goes-back.test.ts'), ['faketime']);
});
