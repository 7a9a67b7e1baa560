import { expectLogin } from '../support/logins.ts';
import {
  cutOffDatabase,
  NETWORK_TIMINGS,
  networkOf,
  nobodyMoves,
  primaryFallsSilent,
  staysServing,
} from '../support/network-steps.ts';
import {
  expectHealed,
  isDegraded,
  SERVER_SETTINGS,
  whileLoggingIn,
  withoutMaster,
} from '../support/redundant-faults.ts';
import { halfTests } from '../support/redundant-test.ts';
import { ALICE, profile } from '../support/ward.ts';

halfTests(
  'packets vanish',
  { agents: ['tc-1', 'tc-2'], apart: true, timings: NETWORK_TIMINGS, serverSettings: SERVER_SETTINGS },
  {
    'row 2: the Primary falls silent': primaryFallsSilent,

    'the servers do not see each other: the database tells the Secondary': (site, on) =>
      staysServing(site, site.secondary, () =>
        whileLoggingIn(site, async () => {
          await networkOf(on).dropBetween('primary', 'secondary');
          await site.secondary.waitForStatus('to miss the Primary', ({ link }) => link?.connected === false);
          await site.apply(profile(['ward', 'unannounced']));
          const { generation } = await site.primary.status();
          await site.secondary.waitForStatus('to have it', status => status.generation >= generation);
          await networkOf(on).mendBetween('primary', 'secondary');
          await expectHealed(site);
        }),
      ),

    'the Primary does not see the database': (site, on) =>
      withoutMaster(
        site,
        () => cutOffDatabase(site, () => networkOf(on).dropBetween('primary', 'database')),
        () => networkOf(on).mendBetween('primary', 'database'),
      ),

    'the Secondary does not see the database: nobody notices': (site, on) =>
      nobodyMoves(site, () =>
        whileLoggingIn(site, async () => {
          await networkOf(on).dropBetween('secondary', 'database');
          await site.secondary.waitForStatus('to be degraded', isDegraded);
          await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
          await networkOf(on).mendBetween('secondary', 'database');
          await expectHealed(site);
        }),
      ),
  },
);
