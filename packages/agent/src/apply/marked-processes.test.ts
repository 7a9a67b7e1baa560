import assert from 'node:assert/strict';
import { test } from 'node:test';
import { marked, type Process } from './marked-processes.ts';

const MARK = 'RUN=a';
const of = (pid: number, parent: number, ...environment: readonly string[]): Process => ({
  pid,
  parent,
  environment: environment.map(each => `${each}\0`).join(''),
});
const found = (processes: readonly Process[], root?: number) =>
  [...marked(processes, MARK, root)].sort((a, b) => a - b);

test('what has the mark is found, whoever its parent is, and all that descend from it', () => {
  const processes = [of(10, 1, 'PATH=/', MARK), of(11, 10), of(12, 11), of(13, 1, MARK, 'X=1'), of(14, 1, 'PATH=/')];
  assert.deepEqual(found(processes), [10, 11, 12, 13]);
});

test('a mark that only begins, or ends, like it is another one', () => {
  assert.deepEqual(found([of(10, 1, 'RUN=ab'), of(11, 1, 'OTHER_RUN=a'), of(12, 1, 'X=RUN=a')]), []);
});

test('what descends from the root is found without any mark; the root only where it still is', () => {
  assert.deepEqual(found([of(20, 5), of(21, 20), of(22, 21), of(23, 5)], 20), [20, 21, 22]);
  assert.deepEqual(found([of(21, 20)], 20), [21]);
});

test('never this process, nor the first of the system; a circle ends', () => {
  assert.deepEqual(found([of(1, 0, MARK), of(process.pid, 1, MARK), of(30, 31, MARK), of(31, 30)]), [30, 31]);
});
