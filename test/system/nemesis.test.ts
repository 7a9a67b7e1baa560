import { nemesisTest } from '../nemesis/nemesis-test.ts';

nemesisTest({ minutes: 0.5, seed: 1 });
