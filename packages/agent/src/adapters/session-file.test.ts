import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { writeFileFlushedLater } from '../atomic-file.ts';
import type { KeptSession } from '../core/state.ts';
import { sessionFile } from './session-file.ts';

const ALICE: KeptSession = {
  ...{ user: 'alice', userId: '00000000-0000-4000-8000-00000000000a', loginId: '00000000-0000-4000-8000-0000000000aa' },
  ...{ mode: 'online', sinceWallMs: 7, credentialVersion: 1 },
};
const BOB: KeptSession = { ...ALICE, user: 'bob', userId: '00000000-0000-4000-8000-00000000000b' };

let folder: string;
let path: string;
let defects: unknown[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-session-'));
  path = join(folder, 'session.json');
  defects = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(boot = 'this boot', write?: typeof writeFileFlushedLater) {
  // A flush may end when the next test runs.
  const own = defects;
  return sessionFile(
    path,
    error => own.push(error),
    () => boot,
    write,
  );
}

test('who works here is found by whoever starts next, at once, and is closed to others', () => {
  open().save(ALICE);
  assert.deepEqual(open().load(), { session: ALICE, isOfThisBoot: true });
  assert.deepEqual(open('another boot').load(), { session: ALICE, isOfThisBoot: false });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ['session.json']);
});

test('the last word counts, however many come before the disk has flushed one', () => {
  const store = open();
  store.save(ALICE);
  store.save(BOB);
  assert.deepEqual(open().load()?.session, BOB);
  store.save(undefined);
  assert.equal(open().load(), undefined);
  assert.deepEqual(defects, []);
});

test('what a power cut has left of it is nobody', () => {
  for (const rest of ['', '{"boot":"x","sess', '\0\0\0\0']) {
    writeFileSync(path, rest);
    assert.equal(open().load(), undefined);
  }
  assert.deepEqual(defects, []);
});

test('what cannot be flushed is told, and is not there; what came after it stays', async () => {
  const flushes: ((error: Error) => void)[] = [];
  const failing: typeof writeFileFlushedLater = (file, content) => {
    writeFileSync(file, content);
    return new Promise((_, reject) => flushes.push(reject));
  };
  const store = open('this boot', failing);
  store.save(ALICE);
  store.save(BOB);
  flushes[0]?.(new Error('the first one failed'));
  await setImmediate();
  assert.deepEqual(open().load()?.session, BOB);
  flushes[1]?.(new Error('the second one failed'));
  await setImmediate();
  assert.equal(open().load(), undefined);
  assert.equal(defects.length, 2);
});

test('a folder that is taken away before it is flushed is nothing to be told of', async () => {
  const written: Promise<void>[] = [];
  const store = open('this boot', (...file) => {
    const flushed = writeFileFlushedLater(...file);
    written.push(flushed);
    return flushed;
  });
  store.save(ALICE);
  rmSync(folder, { recursive: true });
  await written[0];
  assert.deepEqual(defects, []);
});

test('what cannot be written is told, and the person before is not there', () => {
  const store = open();
  store.save(ALICE);
  mkdirSync(`${path}.new`);
  writeFileSync(join(`${path}.new`, 'x'), '');
  store.save(BOB);
  assert.deepEqual(open().load()?.session, BOB, 'what lies in the way goes');
  rmSync(folder, { recursive: true });
  store.save(ALICE);
  assert.equal(defects.length, 1);
  assert.ok(!existsSync(path));
});
