import { describe } from 'node:test';
import { BAD_WIRES_MOVE_NOBODY, BAD_WIRES_OPTIONS, movesNobody } from '../support/bad-wires.ts';
import { comesAndGoes, FLAPPING, FLAPPING_OPTIONS } from '../support/flapping.ts';
import { fullTest } from '../support/redundant-test.ts';

// Both at once: they wait for most of their time.
describe('wires that are bad, and a Primary that comes and goes', {
  concurrency: 2,
  timeout: BAD_WIRES_OPTIONS.timeoutMs,
}, () => {
  fullTest(BAD_WIRES_MOVE_NOBODY, { ...BAD_WIRES_OPTIONS, kind: 'mysql' }, movesNobody);
  fullTest(FLAPPING, { ...FLAPPING_OPTIONS, kind: 'mysql' }, comesAndGoes);
});
