import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadedOnce } from './loaded-once.ts';

test('what is loaded is loaded once, whoever asks meanwhile, and is there at once afterwards', async () => {
  let loads = 0;
  const load = loadedOnce(async () => {
    loads += 1;
    return 'the library';
  });
  const first = load();
  assert.equal(load(), first);
  assert.equal(await first, 'the library');
  assert.equal(load(), 'the library');
  assert.equal(loads, 1);
});

test('what could not be loaded, as where no file can be opened for a moment, is loaded when it is asked for again', async () => {
  const failures = [new Error('EMFILE')];
  const load = loadedOnce(async () => {
    const failure = failures.pop();
    if (failure !== undefined) throw failure;
    return 'the library';
  });
  await assert.rejects(async () => load(), /EMFILE/);
  assert.equal(await load(), 'the library');
});
