import { rollingUpdateTest } from '../support/rolling-update-tests.ts';

// With HALF it is the same but for the replication of the new schema.
rollingUpdateTest('full', 'mysql');
