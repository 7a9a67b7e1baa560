import { describe } from 'node:test';
import { BAD_WIRES_MOVE_NOBODY, BAD_WIRES_OPTIONS, movesNobody } from '../support/bad-wires.ts';
import { fullTest, halfTest } from '../support/redundant-test.ts';

// Both at once: they wait for most of their time.
describe('bad wires', { concurrency: 2, timeout: BAD_WIRES_OPTIONS.timeoutMs }, () => {
  halfTest(BAD_WIRES_MOVE_NOBODY, BAD_WIRES_OPTIONS, movesNobody);
  fullTest(BAD_WIRES_MOVE_NOBODY, BAD_WIRES_OPTIONS, movesNobody);
});
