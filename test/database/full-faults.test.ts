import { deviceFaults } from '../support/redundant-device-faults.ts';
import { FULL_FAULTS, SERVER_SETTINGS } from '../support/redundant-faults.ts';
import type { Full } from '../support/redundant-site.ts';
import { fullTests } from '../support/redundant-test.ts';

fullTests(
  'faults',
  { secured: true, agents: ['tc-1', 'tc-2'], serverSettings: SERVER_SETTINGS },
  {
    ...FULL_FAULTS,
    ...deviceFaults(({ pair }: Full) => pair.master),
  },
);
