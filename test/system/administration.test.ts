import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectLogin } from '../support/logins.ts';
import { ADMIN_PASSWORD, waitUntilApplied } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { ALICE, GROUP, profile, user, WARD } from '../support/ward.ts';

systemTests(
  'administration through the commands',
  {},
  {
    'a Secondary refuses every administrative write and names the Primary': async site => {
      const file = join(site.folder, 'change.yaml');
      writeFileSync(file, user(ALICE, true));
      const before = await site.primary.status();
      for (const args of [
        ['apply', '-f', file],
        ['delete', 'User', ALICE.name],
        ['token', 'device'],
      ]) {
        const { code, stdout, stderr } = await site.secondary.thinman(args);
        assert.notEqual(code, 0, `thinman ${args[0]}`);
        assert.equal(stdout, '');
        assert.ok(stderr.includes(site.primary.url), `thinman ${args[0]}: ${stderr}`);
      }
      const after = await site.primary.status();
      assert.equal(after.generation, before.generation);
      const [alice] = await site.secondary.get('User', ALICE.name);
      assert.equal(alice?.body.disabled, false, 'a Secondary can be read');
    },

    'an apply of the same files changes nothing, and of other ones only what differs': async site => {
      const before = await site.primary.status();
      await site.apply(WARD);
      assert.equal((await site.primary.status()).generation, before.generation);

      await site.apply(`${user(ALICE)}
---
${profile(['ward', 'archive'])}`);
      assert.equal((await site.primary.status()).generation, before.generation + 1);
      const [nurses] = await site.primary.get('Profile', 'nurses');
      const [alice] = await site.primary.get('User', ALICE.name);
      assert.equal(nurses?.generation, before.generation + 1);
      assert.ok(alice !== undefined && alice.generation <= before.generation);
      assert.equal(JSON.stringify(alice).includes('password'), false, 'a password is never given back');
    },

    'a mistake in a file is named by file and field, and nothing of the file is applied': async site => {
      const file = join(site.folder, 'mistake.yaml');
      writeFileSync(
        file,
        `${user({ ...ALICE, password: 'quite-another-one' })}\n---\nkind: User\nname: carol\nbody: { dispalyName: Carol }\n`,
      );
      const before = await site.primary.status();
      const { code, stderr } = await site.primary.thinman(['apply', '-f', file]);
      assert.equal(code, 2);
      assert.match(stderr, /mistake\.yaml/);
      assert.match(stderr, /dispalyName/);
      assert.equal((await site.primary.status()).generation, before.generation);
    },

    'an administrator logs in over the network with the CA file': async (site, processes) => {
      const remote = ['--server', site.primary.url, '--ca', join(site.primary.data, 'ca.crt')];
      const wrong = await processes.run('thinman', ['login', ...remote, '--password-stdin'], {
        input: 'not-the-password',
      });
      assert.equal(wrong.code, 1, wrong.stderr);
      const before = await processes.run('thinman', ['get', 'User', ...remote, '-o', 'json']);
      assert.equal(before.code, 2, `without a login: ${before.stderr}`);

      const login = await processes.run('thinman', ['login', ...remote, '--user', 'admin', '--password-stdin'], {
        input: ADMIN_PASSWORD,
      });
      assert.equal(login.code, 0, login.stderr);
      const after = await processes.run('thinman', ['get', 'User', ALICE.name, ...remote, '-o', 'json']);
      assert.equal(after.code, 0, after.stderr);
      assert.equal(JSON.parse(after.stdout)[0].name, ALICE.name);
    },

    'effective settings and profile say where each comes from, and reach the device': async site => {
      const tc1 = site.agent('tc-1');
      const told = await site.primary.administer(['effective', '--device', 'tc-1', '--user', ALICE.name, '-o', 'json']);
      const effective = JSON.parse(told);
      const screenOff = effective.settings['power.screenOffAfterMinutes'];
      assert.equal(screenOff.value, 7);
      assert.deepEqual(screenOff.origin, { kind: 'Policy', name: 'quiet-screens', assignment: 'quiet-ward' });
      const { profile } = await expectLogin(tc1, ALICE, 'granted online by primary');
      assert.deepEqual(profile?.connections, effective.profile.connections);

      const [device] = await site.primary.get('Device', 'tc-1');
      assert.equal(device?.body.group, GROUP);
    },

    'a changed profile reaches the device while its user is signed in': async site => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await site.apply(profile(['ward', 'pharmacy']));
      await waitUntilApplied(site, tc1, ALICE.name);

      // The proof that it was pushed: with no server left the device shows it.
      await site.primary.kill();
      await site.secondary.kill();
      const offline = await expectLogin(tc1, ALICE, 'granted offline');
      assert.ok(
        offline.profile?.connections.some(({ name }) => name === 'pharmacy'),
        JSON.stringify(offline.profile),
      );
      await site.primary.start();
      await site.secondary.start();
    },
  },
);
