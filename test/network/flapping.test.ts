import { describe } from 'node:test';
import { comesAndGoes, FLAPPING, FLAPPING_OPTIONS } from '../support/flapping.ts';
import { fullTest, halfTest } from '../support/redundant-test.ts';

// Both at once: they wait for most of their time.
describe('a Primary that comes and goes', { concurrency: 2 }, () => {
  halfTest(FLAPPING, FLAPPING_OPTIONS, comesAndGoes);
  fullTest(FLAPPING, FLAPPING_OPTIONS, comesAndGoes);
});
