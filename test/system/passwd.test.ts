import assert from 'node:assert/strict';
import { PasswordResult } from '@thinman/protocol';
import { findSecrets } from '../support/canaries.ts';
import { asPromised } from '../support/contract.ts';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE } from '../support/ward.ts';

const NEW = 'alices-second-password';
const NEVER = 'alices-password-that-never-was';

systemTest(
  '`passwd` changes the own password on the Primary, once, and nowhere else',
  { agents: ['tc-1', 'tc-2'] },
  async (site, processes) => {
    const [tc1, tc2] = [site.agent('tc-1'), site.agent('tc-2')];
    const passwd = async (password: string, newPassword: string) => {
      const args = ['passwd', '--data', tc1.data, '--user', ALICE.name, '--password-stdin', '--json'];
      const { code, stdout, stderr } = await processes.run('thinman-agent', args, {
        input: `${password}\n${newPassword}`,
      });
      assert.ok(code === 0 || code === 1, stderr);
      const { changed, reason } = asPromised(PasswordResult, stdout);
      assert.equal(code, changed ? 0 : 1);
      return changed ? 'changed' : reason;
    };
    for (const agent of [tc1, tc2]) await expectLogin(agent, ALICE, 'granted online by primary');
    assert.equal(await passwd('not-her-password', NEVER), 'credentials_invalid');
    assert.equal(await passwd(ALICE.password, 'short'), 'password_refused');
    assert.equal(await passwd(ALICE.password, ALICE.password), 'password_refused');
    await site.primary.kill();
    assert.equal(await passwd(ALICE.password, NEVER), 'primary_needed');
    await site.primary.start();
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');

    assert.equal(await passwd(ALICE.password, NEW), 'changed');
    assert.equal((await tc1.status()).session?.user, ALICE.name, 'her session here goes on');
    // Under a login of its own (ADR 0059), which nobody typed.
    site.history.logins.push({
      device: tc1.name,
      user: ALICE.name,
      answer: undefined,
      code: 0,
      stderr: '',
      elapsedMs: 0,
    });
    await tc2.waitForStatus('to have ended her session', ({ session }) => session === null);
    await tc1.kill();
    await site.primary.kill();
    await tc1.start();
    await expectLogin(tc1, { ...ALICE, password: NEW }, 'granted online by secondary');
    await expectLogin(tc1, ALICE, 'denied credentials_invalid online by secondary');
    await site.secondary.kill();
    await expectLogin(tc1, { ...ALICE, password: NEW }, 'granted offline');
    await expectLogin(tc1, ALICE, 'denied credentials_invalid offline');
    const folders = [tc1.data, tc2.data, site.primary.data, site.secondary.data];
    assert.deepEqual(findSecrets([...folders, `${site.folder}/logs`], [NEW, NEVER, ALICE.password]), []);
    await site.primary.start();
    await site.secondary.start();
    for (const agent of [tc1, tc2]) await waitUntilOn(agent, site.primary);
  },
);
