import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findSecrets } from '../support/canaries.ts';
import { expectLogin } from '../support/logins.ts';
import type { Processes } from '../support/processes.ts';
import { ADMIN_PASSWORD, type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB, PROFILE_CANARIES, profile, user } from '../support/ward.ts';

const NEW_PASSWORD = 'bobs-second-password';
const WRONG_PASSWORD = 'bobs-mistyped-password';
const PASSWORDS = [ALICE.password, BOB.password, NEW_PASSWORD, WRONG_PASSWORD, ADMIN_PASSWORD];

systemTest(
  'no file of a device holds anything of a profile, and no file at all a password',
  {},
  async (site, processes) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await expectLogin(tc1, { ...BOB, password: WRONG_PASSWORD }, 'denied credentials_invalid online by primary');
    await expectLogin(tc1, BOB, 'granted online by primary');
    await site.apply(`${user({ ...BOB, password: NEW_PASSWORD })}\n---\n${profile(['ward', 'pharmacy'])}`);
    await expectLogin(tc1, { ...BOB, password: NEW_PASSWORD }, 'granted online by primary');
    expectNothingReadable(site, processes);

    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted online by secondary');
    await site.secondary.kill();
    await expectLogin(tc1, ALICE, 'granted offline');
    await expectLogin(tc1, { ...ALICE, password: WRONG_PASSWORD }, 'denied credentials_invalid offline');
    expectNothingReadable(site, processes);

    await site.primary.start();
    await site.secondary.start();
    await waitUntilOn(tc1, site.primary);
    await tc1.stop();
    expectNothingReadable(site, processes);
    await tc1.start();
    await waitUntilOn(tc1, site.primary);

    // The search can find: the server's own copy of the profile is where it belongs.
    assert.notDeepEqual(findSecrets([site.primary.data], PROFILE_CANARIES), []);
  },
);

function expectNothingReadable(site: Site, processes: Processes): void {
  const devices = site.agents.map(({ data }) => data);
  const logs = join(site.folder, 'logs');
  assert.deepEqual(findSecrets(devices, PROFILE_CANARIES), []);
  assert.deepEqual(
    findSecrets([...devices, site.primary.data, site.secondary.data, join(site.folder, 'home')], PASSWORDS),
    [],
  );
  // What a login prints holds the profile, for the one who logged in; it holds no password.
  assert.deepEqual(findSecrets([logs], PASSWORDS), []);
  for (const { pid, name } of processes.running()) {
    const told = `${readFileSync(`/proc/${pid}/cmdline`)} ${readFileSync(`/proc/${pid}/environ`)}`;
    for (const password of PASSWORDS) assert.ok(!told.includes(password), `a password in the arguments of ${name}`);
  }
}
