import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentStatus } from '@thinman/protocol';
import { findSecrets } from '../support/canaries.ts';
import { asPromised } from '../support/contract.ts';
import { expectLogin } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { startSoftwareTpm } from '../support/software-tpm.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, GROUP } from '../support/ward.ts';

// Debian's own systemd-creds, and a TPM 2.0 of software: what the fake one of other tests plays, for once for real (ADR 0084, 0102).

systemTest(
  'a secret that a TPM has sealed opens on its own machine alone, until that is cleared',
  { wires: true, agents: [] },
  async (site, processes) => {
    await using tpm = await startSoftwareTpm(join(site.folder, 'machine'));
    await using another = await startSoftwareTpm(join(site.folder, 'another-machine'));
    const tc1 = await site.addAgent('tc-1', GROUP, tpm.environment);
    const identity = join(tc1.data, 'identity');
    const secret = readFileSync(join(identity, 'device.secret'));
    const set = (settings: object) =>
      writeFileSync(join(tc1.data, 'local.json'), JSON.stringify({ deviceSecret: settings }));
    /** The TPM is started with its machine. (This one has no kernel before it that would end what a program has left in it.) */
    const start = async (powerUp = tpm.restart) => {
      await powerUp();
      await tc1.start();
      const { deviceSecret } = await tc1.status();
      return [deviceSecret?.kept, deviceSecret?.trouble ?? null];
    };
    const restart = async (powerUp = tpm.restart) => {
      await tc1.kill();
      return start(powerUp);
    };
    /** What is recorded under a secret that lasts for one run goes with it: the site does not hear of these. */
    const reasonOf = async (data: string) => {
      const args = ['login', '--data', data, '--user', ALICE.name, '--password-stdin', '--json'];
      const { stdout } = await processes.run('thinman-agent', args, { input: ALICE.password });
      return (JSON.parse(stdout) as { reason: string | null }).reason;
    };

    set({ seal: 'tpm2' });
    assert.deepEqual(await start(), ['tpm2', null]);
    assert.equal(existsSync(join(identity, 'device.secret')), false);
    assert.deepEqual(findSecrets([tc1.data], [{ name: 'the secret', bytes: secret }]), []);
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await tc1.logout();
    await site.settle();

    await site.apart(async () => {
      // After a power cut, with nobody there: the same secret opens the same store.
      assert.deepEqual(await restart(tpm.cutPower), ['tpm2', null]);
      await expectLogin(tc1, ALICE, 'granted offline');
      await tc1.logout();
      await tc1.stop();

      // A copy of the disk: on another machine it starts, lets nobody in, and says why.
      const copy = join(site.folder, 'copy');
      cpSync(tc1.data, copy, { recursive: true, filter: path => !path.endsWith('.sock') });
      const thief = processes.start('thief', 'thinman-agent', ['start', '--data', copy], {
        environment: another.environment,
      });
      await thief.waitForLine(/^READY mode=offline/);
      assert.equal(await reasonOf(copy), 'no_cached_login');
      const said = await processes.run('thinman-agent', ['status', '--data', copy, '--json']);
      assert.match(asPromised(AgentStatus, said.stdout).deviceSecret?.trouble ?? '', /^tpm2 does not give it back/);
      await thief.kill();
      // Nor to one who knows how it was sealed.
      const { sealed } = JSON.parse(readFileSync(join(copy, 'identity', 'device.secret.sealed'), 'utf8'));
      const decrypt = (environment: object) =>
        spawnSync('systemd-creds', ['decrypt', '--name=thinman-device-secret', '-', '-'], {
          input: sealed,
          env: { ...process.env, ...environment },
        });
      assert.notEqual(decrypt(another.environment).status, 0);
      await tpm.restart();
      assert.deepEqual(decrypt(tpm.environment).stdout, secret, 'on its own machine it does');
      rmSync(copy, { recursive: true });

      assert.deepEqual(await start(), ['tpm2', null], 'the thief has harmed nothing');
    });
    await waitUntilOn(tc1, site.primary);
    await site.settle();

    // Cleared: nothing is thrown away, and people log in where there is a server.
    await tpm.clear();
    const [kept, trouble] = await restart();
    assert.equal(kept, 'tpm2');
    assert.match(
      trouble ?? '',
      /^tpm2 does not give it back \(.+\): nobody logs in offline .* deviceSecret\.ifRefused "renew"/,
    );
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await tc1.logout();
    await site.settle();

    // And for good: another secret, sealed by the TPM as it is now.
    set({ seal: 'tpm2', ifRefused: 'renew' });
    assert.match((await restart())[1] ?? '', /a new one was made, and cached logins are gone/);
    await waitUntilOn(tc1, site.primary);
    await site.settle();
    assert.deepEqual(await restart(), ['tpm2', null]);
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.apart(() => expectLogin(tc1, ALICE, 'granted offline'));
    await waitUntilOn(tc1, site.primary);
    const alarms = (await site.primary.events()).filter(({ type }) => type === 'alarm.secret');
    assert.equal(alarms.length, 2, 'each told once');
  },
);
