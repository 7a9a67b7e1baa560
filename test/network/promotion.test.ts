import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectLogin } from '../support/logins.ts';
import { NETWORK_TIMINGS, networkOf } from '../support/network-steps.ts';
import { forkFiles, joinAnew, promoteWithItsSql, userNamed } from '../support/recovery-on-databases.ts';
import { SERVER_SETTINGS } from '../support/redundant-faults.ts';
import { urlOf } from '../support/redundant-site.ts';
import { fullTest } from '../support/redundant-test.ts';
import { waitUntilOn } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

// The operator is wrong: the old host is not off, only out of sight. Both sides administer until they see each other again.
fullTest(
  'the old Primary lives on the other side of a cut line',
  { apart: true, timings: NETWORK_TIMINGS, serverSettings: SERVER_SETTINGS, timeoutMs: 300_000 },
  async (site, on) => {
    const { primary, secondary } = site;
    const tc1 = site.agent('tc-1');
    const network = networkOf(on);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.settle();
    await on.pair.waitUntilAligned();
    await network.dropBetween('primary', 'secondary');
    await network.dropBetween('master', 'slave');
    await secondary.waitForStatus('to miss the Primary', ({ link }) => link?.connected === false);

    await promoteWithItsSql(site, on.pair.slave.rootScript);
    await secondary.administer(['apply', '-f', '-'], userNamed('winning'));
    await site.apply(userNamed('losing'));
    await expectLogin(tc1, BOB, /^granted online /);

    await network.mendBetween('primary', 'secondary');
    await network.mendBetween('master', 'slave');
    await primary.waitForStatus('to have heard of it', ({ role, why }) => role === 'secondary' && why === 'superseded');
    assert.equal((await primary.thinman(['apply', '-f', '-'], userNamed('eve'))).code, 2);
    const [file] = await waitFor('its export', () => (forkFiles(primary).length > 0 ? forkFiles(primary) : undefined));
    const path = join(primary.data, file ?? '');
    assert.match(readFileSync(path, 'utf8'), /^name: losing$/m);
    assert.doesNotMatch(readFileSync(path, 'utf8'), /winning/);
    await waitUntilOn(tc1, secondary);
    await expectLogin(tc1, ALICE, 'granted online by secondary');
    await secondary.administer(['apply', '-f', path]);
    for (const name of ['winning', 'losing']) assert.equal((await secondary.get('User', name)).length, 1);
    await primary.waitForStatus('to have handed on its events', ({ journalPending }) => journalPending === 0);

    await joinAnew(site, urlOf(on.pair.slave, 'secondary'));
    await primary.waitForStatus('to serve', ({ role, state }) => role === 'secondary' && state === 'serving');
  },
);
