import { operationsTest } from '../support/operations-test.ts';

operationsTest('mysql');
