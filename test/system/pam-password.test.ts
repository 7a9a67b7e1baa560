import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EmergencyCodeAnswer } from '@thinman/protocol';
import type { Agent } from '../support/agent-commands.ts';
import { findSecrets } from '../support/canaries.ts';
import { asPromised } from '../support/contract.ts';
import { expireCachedLogins, helpdesk } from '../support/emergency.ts';
import { expectLogin } from '../support/logins.ts';
import { LIGHTDM, pamService } from '../support/pam.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

/** An account of every Debian that nobody logs in with. */
const KIOSK = 'games';
/** Where systemd looks; cleaned afterwards. */
const RECORDS = '/run/userdb';
const NEW = 'alices-second-password';
const REFUSED = 'secret';
const EXPIRED = '2026-01-01T00:00:00Z';

systemTest('an expired password is changed through PAM, in the place where it is typed', {}, async site => {
  const tc1 = site.agent('tc-1');
  await using screen = await loginScreen(site, tc1);
  const { type } = screen;

  await site.apply(`kind: User\nname: ${ALICE.name}\nbody: { groups: [nurses], passwordExpiresAt: "${EXPIRED}" }`);
  assert.match(await type('not-her-password'), /is wrong/);
  assert.match(await type(ALICE.password), /has expired\. Type a new one/);
  assert.match(await type(REFUSED), /again/);
  assert.match(await type(REFUSED), /is not accepted/);
  assert.match(await type(NEW), /again/);
  assert.match(await type(ALICE.password), /differ/);
  assert.equal((await tc1.status()).session, null);
  assert.match(await type(NEW), /again/);
  assert.equal(await type(NEW), 'yes');
  assert.equal((await tc1.status()).session?.user, ALICE.name);
  assert.equal(await type(NEW), 'yes');
  assert.match(await type(ALICE.password), /is wrong/);

  // Offline too, from the same moment on. Neither password is written anywhere.
  await site.primary.kill();
  await site.secondary.kill();
  await expectLogin(tc1, { ...ALICE, password: NEW }, 'granted offline');
  await expectLogin(tc1, ALICE, 'denied credentials_invalid offline');
  assert.deepEqual(findSecrets([tc1.data, site.primary.data, site.secondary.data], [NEW, ALICE.password]), []);
  await site.primary.start();
  await site.secondary.start();
  await waitUntilOn(tc1, site.primary);
});

systemTest('a code by telephone is typed in the place of the password', { wires: true }, async (site, processes) => {
  const tc1 = site.agent('tc-1');
  await using screen = await loginScreen(site, tc1);
  const { type } = screen;
  await expireCachedLogins(site);
  assert.equal(await type(ALICE.password), 'yes');
  await site.apart(async () => {
    await tc1.waitForStatus('to be offline', ({ mode }) => mode === 'offline');
    const called = await type(ALICE.password);
    const [, device = '', user = '', challenge = ''] =
      /device (\S+), user (\S+), challenge ([\d-]+)\..*15 min, 5 tries/.exec(called) ?? [];
    const told = await helpdesk(processes, site.secondary, { device, user, challenge });
    assert.match(await type('00000-00000'), /code is wrong.*4 tries/s);
    assert.match(
      await type(asPromised(EmergencyCodeAnswer, told.stdout).code),
      /^The code is right\. Now type your password/,
    );
    assert.match(await type('not-her-password'), /is wrong/);
    assert.equal(await type(ALICE.password), 'yes');
    assert.equal((await tc1.status()).session?.mode, 'offline');
  });
  await waitUntilOn(tc1, site.primary);
});

/** PAM of this machine, with this device behind it. */
async function loginScreen(site: Site, agent: Agent) {
  const record = join(RECORDS, `${ALICE.name}.user`);
  assert.ok(!existsSync(record), `${record} is there already: remove it`);
  const pam = await pamService(agent, KIOSK, RECORDS, site.folder, LIGHTDM);
  await agent.stop();
  await agent.start();
  await waitUntilOn(agent, site.primary);
  return {
    /** One login: yes, or what the person read. */
    type: async (password: string) => {
      const { ok, said, elapsedMs } = await pam.ask(ALICE.name, password, 'authenticate', 'acct_mgmt');
      // A step may be a login, or none: the invariants take either.
      const seen = { device: agent.name, user: ALICE.name, answer: undefined, code: null, stderr: said, elapsedMs };
      site.history.logins.push(seen);
      assert.ok(!said.includes(password), said);
      return ok ? 'yes' : said;
    },
    [Symbol.asyncDispose]: async () => {
      await pam[Symbol.asyncDispose]();
      rmSync(record, { force: true });
    },
  };
}
