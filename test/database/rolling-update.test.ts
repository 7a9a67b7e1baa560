import { rollingUpdateTest } from '../support/rolling-update-tests.ts';

rollingUpdateTest('half', 'mariadb');
rollingUpdateTest('full', 'mariadb');
