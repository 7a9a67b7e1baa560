import assert from 'node:assert/strict';
import { expectLogin, inWords } from '../support/logins.ts';
import { systemTests } from '../support/system-test.ts';
import { ALICE, BOB } from '../support/ward.ts';

systemTests(
  'one session a device',
  {},
  {
    'a login of the signed-in user verifies again': async site => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await expectLogin(
        tc1,
        { ...ALICE, password: 'not-her-password' },
        'denied credentials_invalid online by primary',
      );
      assert.equal((await tc1.status()).session?.user, ALICE.name, 'a mistyped password ends nobody’s session');
    },

    'a login of another user ends the first session on success only': async site => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await expectLogin(tc1, { ...BOB, password: 'not-his-password' }, 'denied credentials_invalid online by primary');
      assert.equal((await tc1.status()).session?.user, ALICE.name);
      await expectLogin(tc1, BOB, 'granted online by primary');
      assert.equal((await tc1.status()).session?.user, BOB.name);
    },

    'logins at the same time queue, and none cancels another': async site => {
      const tc1 = site.agent('tc-1');
      const users = [ALICE, BOB, ALICE, BOB, ALICE];
      const results = await Promise.all(users.map(({ name, password }) => tc1.login(name, password)));
      assert.deepEqual(
        results.map(inWords),
        users.map(() => 'granted online by primary'),
      );
    },

    'logout succeeds with and without a session, and without any server': async site => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      assert.equal((await tc1.logout()).code, 0);
      assert.equal((await tc1.status()).session, null);
      assert.equal((await tc1.logout()).code, 0, 'nobody is signed in');

      await expectLogin(tc1, ALICE, 'granted online by primary');
      await site.primary.freeze();
      await site.secondary.freeze();
      const { code, elapsedMs } = await tc1.logout();
      assert.equal(code, 0);
      assert.equal((await tc1.status()).session, null);
      assert.ok(elapsedMs < 4_000, `logout waited ${elapsedMs} ms for a server`);
      site.primary.thaw();
      site.secondary.thaw();
    },

    'exit codes: 0 granted, 1 denied, 2 wrong use, 3 nobody there': async (site, processes) => {
      const tc1 = site.agent('tc-1');
      assert.equal((await tc1.login(ALICE.name, ALICE.password)).code, 0);
      assert.equal((await tc1.login(ALICE.name, 'not-her-password')).code, 1);
      assert.equal((await tc1.login('nobody-of-this-name', ALICE.password)).code, 1);

      const misuse = [
        ['thinman-agent', 'login', '--data', tc1.data, '--password-stdin'],
        ['thinman-agent', 'login', '--data', tc1.data, '--user', ALICE.name, '--password-stdin', '--no-such-option'],
        ['thinman-agent', 'enroll', 'not-a-token', '--data', `${tc1.data}-2`],
        ['thinman-agent', 'no-such-command'],
        ['thinman', 'get', 'NoSuchKind', '--data', site.primary.data],
        ['thinman-server', 'init', '--data', site.primary.data],
      ] as const;
      for (const [command, ...args] of misuse) {
        const { code, stdout, stderr } = await processes.run(command, args, { input: ALICE.password });
        assert.equal(code, 2, `${command} ${args.join(' ')}: ${stderr}`);
        assert.equal(stdout, '');
      }

      await site.secondary.stop();
      const noServer = await site.secondary.thinman(['get', 'User']);
      await tc1.stop();
      const noAgent = await tc1.login(ALICE.name, ALICE.password);
      for (const { code, stderr } of [noServer, noAgent]) {
        assert.equal(code, 3, stderr);
        assert.equal(stderr.trimEnd().split('\n').length, 1, `one line: ${stderr}`);
      }
      await tc1.start();
      await site.secondary.start();
    },
  },
);
