import { deviceFaults } from '../support/redundant-device-faults.ts';
import { FULL_FAULTS } from '../support/redundant-faults.ts';
import type { Full } from '../support/redundant-site.ts';
import { fullTests } from '../support/redundant-test.ts';

// At the default lag of 30 s.
fullTests(
  'faults',
  { kind: 'mysql', secured: true, agents: ['tc-1', 'tc-2'] },
  {
    ...FULL_FAULTS,
    ...deviceFaults(({ pair }: Full) => pair.master),
  },
);
