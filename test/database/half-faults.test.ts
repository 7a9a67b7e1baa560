import { SMALL_JOURNAL } from '../support/full-journal.ts';
import { deviceFaults } from '../support/redundant-device-faults.ts';
import { HALF_FAULTS, SERVER_SETTINGS } from '../support/redundant-faults.ts';
import type { Half } from '../support/redundant-site.ts';
import { halfTests } from '../support/redundant-test.ts';

halfTests(
  'faults',
  { agents: ['tc-1', 'tc-2'], serverSettings: { ...SERVER_SETTINGS, ...SMALL_JOURNAL } },
  {
    ...HALF_FAULTS,
    ...deviceFaults(({ database }: Half) => database),
  },
);
