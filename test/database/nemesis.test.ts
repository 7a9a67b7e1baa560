import { nemesisTest } from '../nemesis/nemesis-test.ts';

nemesisTest({ minutes: 1, seed: 2, database: 'mariadb' });
