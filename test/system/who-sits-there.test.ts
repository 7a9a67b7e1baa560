import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '../support/agent-commands.ts';
import { findSecrets } from '../support/canaries.ts';
import { fakeCreds } from '../support/fake-creds.ts';
import { expectLogin } from '../support/logins.ts';
import type { Processes } from '../support/processes.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB, GROUP, PROFILE_CANARIES } from '../support/ward.ts';

/** Of a session: who it is of and since when. */
const KEPT = ['credentialVersion', 'loginId', 'mode', 'sinceWallMs', 'user', 'userId'];
/** Stands at the head of every token of a session. */
const SESSION_TOKEN_TYPE = 'thinman-session+jwt';
const WRONG = 'not-the-password';
const KIOSK = { name: 'lobby', password: 'the-password-of-the-lobby' } as const;
const AUTOLOGIN = `
kind: User
name: ${KIOSK.name}
body: { groups: [nurses], password: ${KIOSK.password} }
---
kind: Policy
name: lobby
body: { scope: device, settings: { session: { autologin: { user: ${KIOSK.name}, password: ${KIOSK.password} } } } }
---
kind: Assignment
name: lobby
body: { policy: lobby, to: { device: tc-2 } }
`;
const SAME_USER = `
kind: Policy
name: keep-locked
body: { scope: device, settings: { session: { unlockBy: same-user } } }
---
kind: Assignment
name: keep-locked
body: { policy: keep-locked, to: { device: tc-1 } }
`;

/** A login that no test saw the answer of: the device's own, or one at the locked screen. */
function unseen({ history }: Site, device: Agent, user: string, times = 1): void {
  for (let n = 0; n < times; n++) {
    history.logins.push({ device: device.name, user, answer: undefined, code: null, stderr: 'unseen', elapsedMs: 0 });
  }
}

async function unlock(site: Site, processes: Processes, agent: Agent, password: string): Promise<string> {
  const args = ['unlock', '--data', agent.data, '--password-stdin', '--json'];
  const { code, stdout } = await processes.run('thinman-agent', args, { input: password });
  unseen(site, agent, ALICE.name);
  const { verdict, reason, mode } = JSON.parse(stdout) as { verdict: string; reason: string | null; mode: string };
  assert.equal(code, verdict === 'granted' ? 0 : 1);
  return [verdict, reason, mode].filter(Boolean).join(' ');
}

const isLockedFor = (user: string) => (status: Awaited<ReturnType<Agent['status']>>) =>
  status.session?.user === user && status.session.locked === true;

systemTests(
  'who sits at a device',
  { agents: [], wires: true },
  {
    async 'an agent that is killed has its session again, locked, until its user types the password: online and offline'(
      site,
      processes,
    ) {
      const runtime = mkdtempSync('/dev/shm/thinman-locked-');
      await using _runtime = { [Symbol.asyncDispose]: async () => rmSync(runtime, { recursive: true, force: true }) };
      const tc1 = await site.addAgent('tc-1', GROUP, {}, { startOptions: ['--runtime', runtime] });
      const connections = async () => JSON.parse((await tc1.command('session', ['--json'])).stdout).connections.length;
      const policyFile = join(runtime, 'user-policy.json');
      const policyIsThere = () => waitFor('her policy', async () => existsSync(policyFile) || undefined);
      await tc1.start();
      await waitUntilOn(tc1, site.primary);
      await expectLogin(tc1, ALICE, 'granted online by primary');
      const { session } = await tc1.status();
      assert.ok(session !== null);
      await policyIsThere();

      await tc1.kill();
      await tc1.start();
      await waitUntilOn(tc1, site.primary);
      assert.deepEqual((await tc1.status()).session, { ...session, locked: true });
      assert.deepEqual([await connections(), existsSync(policyFile)], [0, false], 'nothing of her is there');
      assert.equal(await unlock(site, processes, tc1, WRONG), 'denied credentials_invalid online');
      assert.ok(isLockedFor(ALICE.name)(await tc1.status()));
      assert.deepEqual([await connections(), existsSync(policyFile)], [0, false]);
      assert.equal(await unlock(site, processes, tc1, ALICE.password), 'granted online');
      assert.deepEqual((await tc1.status()).session, session, 'since the same moment');
      assert.equal(await connections(), 3);
      await policyIsThere();

      // What is on the disk of it says who it is, and opens nothing.
      const file = join(tc1.data, 'session.json');
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const { session: kept } = JSON.parse(readFileSync(file, 'utf8'));
      assert.deepEqual(Object.keys(kept).toSorted(), KEPT);
      assert.deepEqual(findSecrets([tc1.data], [ALICE.password, SESSION_TOKEN_TYPE, ...PROFILE_CANARIES]), []);

      await site.primary.kill();
      await site.secondary.kill();
      await tc1.kill();
      await tc1.start();
      assert.ok(isLockedFor(ALICE.name)(await tc1.status()));
      assert.equal(await unlock(site, processes, tc1, WRONG), 'denied credentials_invalid offline');
      assert.ok(isLockedFor(ALICE.name)(await tc1.status()));
      assert.equal(await unlock(site, processes, tc1, ALICE.password), 'granted offline');
      assert.deepEqual((await tc1.status()).session, { ...session, mode: 'offline' });

      await site.secondary.start();
      await site.primary.start();
      await waitUntilOn(tc1, site.primary);
      await site.apply(SAME_USER);
      await waitFor('the policy', async () => {
        await tc1.command('lock');
        const { code, stdout } = await processes.run(
          'thinman-agent',
          ['login', '--data', tc1.data, '--user', BOB.name, '--password-stdin', '--json'],
          { input: BOB.password },
        );
        unseen(site, tc1, BOB.name);
        if (code === 0) await expectLogin(tc1, ALICE, 'granted online by primary');
        return JSON.parse(stdout).reason === 'session_locked' || undefined;
      });
      assert.equal((await tc1.status()).session?.user, ALICE.name);
      assert.equal((await tc1.logout()).code, 0, 'who speaks for the device ends it all the same');
      assert.equal((await tc1.status()).session, null);
    },

    async 'the account of a kiosk is signed in at start with nobody there: online, on the Secondary, and with every server dead'(
      site,
    ) {
      const tc2 = await site.addAgent('tc-2', GROUP);
      unseen(site, tc2, KIOSK.name, 6);
      await site.apply(AUTOLOGIN);
      await tc2.start();
      const signedIn = (mode: string) =>
        tc2.waitForStatus(
          `the account to be signed in ${mode}`,
          ({ session }) =>
            session?.user === KIOSK.name &&
            session.autologin === true &&
            session.locked !== true &&
            session.mode === mode,
        );
      await signedIn('online');
      assert.equal(JSON.parse((await tc2.command('session', ['--json'])).stdout).connections.length, 3);

      // Power off, and no Primary: nobody types anything.
      await site.primary.kill();
      await tc2.kill();
      await tc2.start();
      assert.equal((await signedIn('online')).server?.name, 'secondary');
      await site.secondary.kill();
      await tc2.kill();
      await tc2.start();
      await signedIn('offline');
      await expectLogin(tc2, KIOSK, 'denied autologin_only offline');

      // Its password is on the disk, as the device must have it, but not for who reads the disk's files alone.
      assert.deepEqual(findSecrets([tc2.data], [KIOSK.password]), []);
      await site.primary.start();
      await site.secondary.start();
      await waitUntilOn(tc2, site.primary);
      assert.doesNotMatch(
        await site.primary.thinman(['get', 'Policy', '-o', 'json']).then(done => done.stdout),
        /of-the-lobby/,
      );
      await site.apply(`kind: Policy\nname: lobby\nbody: { scope: device, settings: {} }`);
      await tc2.waitForStatus('its session to end with the policy', ({ session: now }) => now === null);
    },

    async 'a device whose TPM does not give its secret back works on, as with an empty cache, and says so'(
      site,
      processes,
    ) {
      const creds = fakeCreds(join(site.folder, 'creds'));
      const tc3 = await site.addAgent('tc-3', GROUP, { PATH: creds.path });
      const restart = async () => {
        await tc3.kill();
        await tc3.start();
        const { deviceSecret } = await tc3.status();
        return { kept: deviceSecret?.kept, trouble: deviceSecret?.trouble ?? null };
      };
      const loginUnseen = async ({ name, password }: typeof ALICE) => {
        const args = ['login', '--data', tc3.data, '--user', name, '--password-stdin', '--json'];
        const { stdout } = await processes.run('thinman-agent', args, { input: password });
        return (JSON.parse(stdout) as { reason: string | null }).reason;
      };
      const set = (settings: object) =>
        writeFileSync(join(tc3.data, 'local.json'), JSON.stringify({ deviceSecret: settings }));
      await tc3.start();
      await waitUntilOn(tc3, site.primary);
      await expectLogin(tc3, ALICE, 'granted online by primary');
      await tc3.logout();
      set({ seal: 'auto' });
      assert.deepEqual(await restart(), { kept: 'tpm2', trouble: null });
      assert.equal(existsSync(join(tc3.data, 'identity', 'device.secret')), false);

      await site.apart(async () => {
        await tc3.waitForStatus('to be alone', ({ mode }) => mode === 'offline');
        await expectLogin(tc3, ALICE, 'granted offline');
        await tc3.logout();
        // The disk in another machine: it starts, and lets nobody in.
        creds.setTpm('of-another-machine');
        assert.match((await restart()).trouble ?? '', /tpm2 does not give it back \(Failed to unseal/);
        // What it records meanwhile goes with it, if no server takes it: it has nothing to write it under.
        assert.equal(await loginUnseen(ALICE), 'no_cached_login');
        // Back in its own: all is there again.
        creds.setTpm('tpm-1');
        assert.deepEqual(await restart(), { kept: 'tpm2', trouble: null });
        await expectLogin(tc3, ALICE, 'granted offline');
        await tc3.logout();
      });

      await waitUntilOn(tc3, site.primary);
      await site.settle();

      // Cleared, while there are servers: people log in there.
      creds.setTpm('cleared');
      await restart();
      await waitUntilOn(tc3, site.primary);
      assert.match((await tc3.command('status')).stdout, /^secret {3}tpm2: tpm2 does not give it back/m);
      await expectLogin(tc3, ALICE, 'granted online by primary');
      await tc3.logout();
      await site.settle();

      // For good: a new one, told once, and people are cached anew as they come.
      set({ seal: 'auto', ifRefused: 'renew' });
      assert.match((await restart()).trouble ?? '', /a new one was made/);
      await waitUntilOn(tc3, site.primary);
      assert.deepEqual(await restart(), { kept: 'tpm2', trouble: null });
      await waitUntilOn(tc3, site.primary);
      await expectLogin(tc3, ALICE, 'granted online by primary');
      const { stdout } = await site.primary.thinman(['get', 'Event', '-o', 'json']);
      assert.match(stdout, /alarm\.secret/);
    },
  },
);
