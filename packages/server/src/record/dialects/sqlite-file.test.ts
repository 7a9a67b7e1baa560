import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createSqliteFile, fileAt, openSqliteFile, refusalOf, troubleOf } from './sqlite-file.ts';

const OURS = { applicationId: 0x544d0001 };

describe('a file of SQLite', () => {
  let dir: string;
  let path: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'thinman-sqlite-'));
    path = join(dir, 'x.db');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function create(): void {
    const handle = createSqliteFile(path, OURS);
    handle.exec(`CREATE TABLE t (a INTEGER NOT NULL) STRICT; PRAGMA application_id = ${OURS.applicationId}`);
    handle.close();
  }
  const troubleWith = (action: () => unknown) => {
    try {
      action();
    } catch (error) {
      return troubleOf(error);
    }
    return assert.fail('nothing was thrown');
  };

  it('has every commit on disk before it returns, each time that it is opened', () => {
    create();
    for (let i = 0; i < 2; i++) {
      const handle = openSqliteFile(path, OURS);
      const FULL = 2;
      assert.equal(handle.pragma('synchronous', { simple: true }), FULL);
      assert.equal(handle.pragma('journal_mode', { simple: true }), 'wal');
      handle.close();
    }
  });

  it('is known by what is written in it, not by its name', () => {
    assert.equal(
      troubleWith(() => openSqliteFile(path, OURS)),
      'missing',
    );
    writeFileSync(path, '');
    assert.equal(
      troubleWith(() => openSqliteFile(path, OURS)),
      'empty',
    );
    create();
    openSqliteFile(path, OURS).close();
    const theirs = { applicationId: 0x544d0002 };
    assert.equal(
      troubleWith(() => openSqliteFile(path, theirs)),
      'foreign',
    );
    assert.equal(
      troubleWith(() => createSqliteFile(path, theirs)),
      'foreign',
    );
    writeFileSync(path, 'garbage'.repeat(1_000));
    assert.equal(
      troubleWith(() => openSqliteFile(path, OURS)),
      'damaged',
    );
  });

  it('cannot be in a folder that is not there', () => {
    const nowhere = join(dir, 'no', 'x.db');
    assert.equal(
      troubleWith(() => openSqliteFile(nowhere, OURS)),
      'missing',
    );
    assert.equal(
      troubleWith(() => createSqliteFile(nowhere, OURS)),
      'missing',
    );
  });

  it('that is full tells it from a row that is refused, and both from a mistake in the statement', () => {
    create();
    const handle = openSqliteFile(path, OURS);
    handle.exec('CREATE TABLE large (b BLOB) STRICT');
    handle.pragma(`max_page_count = ${handle.pragma('page_count', { simple: true })}`);
    assert.equal(
      troubleWith(() => handle.exec('INSERT INTO large VALUES (zeroblob(1000000))')),
      'full',
    );
    handle.pragma('max_page_count = 1000000');
    for (const row of ['NULL', "'x'"]) {
      assert.throws(
        () => handle.exec(`INSERT INTO t VALUES (${row})`),
        error => troubleOf(error) === undefined && refusalOf(error)?.startsWith('SQLITE_CONSTRAINT') === true,
      );
    }
    assert.throws(
      () => handle.prepare('INSERT INTO t VALUES (?)').run({}),
      error => troubleOf(error) === undefined && refusalOf(error) !== undefined,
    );
    assert.throws(
      () => handle.exec('INSERT INTO nowhere VALUES (1)'),
      error => troubleOf(error) === undefined && refusalOf(error) === undefined,
    );
    handle.close();
  });

  it('is told from the file that takes its place', () => {
    assert.equal(fileAt(path), undefined);
    create();
    const handle = openSqliteFile(path, OURS);
    const before = fileAt(path);
    rmSync(path);
    assert.equal(fileAt(path), undefined);
    create();
    assert.notEqual(fileAt(path), before);
    handle.close();
  });
});
