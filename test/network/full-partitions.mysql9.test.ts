import { NETWORK_TIMINGS, primaryFallsSilent } from '../support/network-steps.ts';
import { SERVER_SETTINGS } from '../support/redundant-faults.ts';
import { fullTest } from '../support/redundant-test.ts';

fullTest(
  'row 2: the Primary falls silent',
  {
    ...{ kind: 'mysql', agents: ['tc-1', 'tc-2'], apart: true, timings: NETWORK_TIMINGS },
    serverSettings: SERVER_SETTINGS,
  },
  primaryFallsSilent,
);
