import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAgentCommands } from '../support/agent-commands.ts';
import { expectLogin } from '../support/logins.ts';
import { ADMIN_PASSWORD, waitUntilApplied, waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB, GROUP, profile, user, WARD } from '../support/ward.ts';

/** One of `thinman device list-unknown -o json`. */
type Unknown = { readonly name: string; readonly body: { readonly servers: readonly string[] } };

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

    'a site that goes back to a generation has again what was there, and its users log in': async site => {
      const { generation } = await site.primary.status();
      const [nurses] = await site.primary.get('Profile', 'nurses');
      await site.primary.administer(['delete', 'Assignment', 'nurses-profile']);
      await site.primary.administer(['delete', 'User', BOB.name]);
      await site.apply(`${profile([])}
---
kind: UserGroup
name: since
body: {}`);
      const to = ['rollback', '--site', '--to', String(generation)];
      const before = await site.primary.status();
      const dry = await site.primary.administer([...to, '--dry-run']);
      assert.match(dry, /^created {3}User\/bob\n/m);
      assert.match(dry, /^updated {3}Profile\/nurses\n {2}\+ connections\.0\./m);
      assert.equal((await site.primary.status()).generation, before.generation);
      const there = await site.secondary.thinman(to);
      assert.equal(there.code, 2, 'a Secondary changes nothing');
      assert.ok(there.stderr.includes(site.primary.url));

      const told = await site.primary.administer(to);
      assert.match(
        told,
        new RegExp(
          `^generation 1\\.${before.generation + 1}, as of ${generation}: 2 created, 1 updated, 1 deleted`,
          'm',
        ),
      );
      assert.deepEqual((await site.primary.get('Profile', 'nurses'))[0]?.body, nurses?.body);
      assert.deepEqual(await site.primary.get('UserGroup', 'nurses'), await site.secondary.get('UserGroup', 'nurses'));
      const { profile: opened } = await expectLogin(site.agent('tc-1'), BOB, 'granted online by primary');
      assert.ok(
        opened?.connections.some(({ name }) => name === 'pharmacy'),
        JSON.stringify(opened),
      );
      assert.match(await site.primary.administer([...to, '--dry-run']), /0 created, 0 updated, 0 deleted, 0 kept/);
    },

    'machines change: one that nobody knows is approved, another one takes its place, the first one is out': async (
      site,
      processes,
    ) => {
      // Beside the thin clients of the site: they get other names.
      const client = (name: string) =>
        createAgentCommands(processes, name, join(site.folder, name), { logins: [], versions: [] });
      const enrol = async (name: string, token: string) => {
        const agent = client(name);
        const { code, stderr } = await agent.enroll(token.trim());
        assert.equal(code, 0, stderr);
        return agent;
      };
      const [first, spare] = await Promise.all(
        ['tc-8', 'tc-spare'].map(async name => enrol(name, await site.primary.administer(['token', 'device']))),
      );
      assert.ok(first !== undefined && spare !== undefined);
      await Promise.all([first.start(), spare.start()]);

      // Another disk has its place: the first one has a certificate, and no object.
      const again = client('tc-8-again');
      const token = await site.primary.administer(['device', 'reenroll', 'tc-8']);
      const anew = await processes.run('thinman-agent', ['enroll', token.trim(), '--data', again.data]);
      assert.equal(anew.code, 0, anew.stderr);
      const unknown = await waitFor('both servers to tell of the machine', async () => {
        const list = JSON.parse(await site.primary.administer(['device', 'list-unknown', '-o', 'json'])) as Unknown[];
        return list.find(({ body }) => body.servers.length === 2);
      });
      assert.deepEqual(unknown.body.servers, ['primary', 'secondary']);
      const approve = ['device', 'approve', unknown.name, '--name', 'tc-9', '--group', GROUP];
      assert.match(await site.primary.administer(approve), /^approved {2}Device\/tc-9\n/);
      await waitUntilOn(first, site.primary);
      assert.equal((await site.primary.thinman(approve)).code, 2);

      assert.match(await site.primary.administer(['device', 'replace', 'tc-9', '--with', 'tc-spare']), /^replaced/);
      await spare.waitForStatus('to be tc-9', ({ device, mode }) => device === 'tc-9' && mode === 'online');
      await first.waitForStatus('to be out', ({ mode }) => mode === 'offline');
      const { code, stderr } = await site.primary.thinman(['device', 'approve', unknown.name, '--name', 'tc-back']);
      assert.deepEqual([code, stderr.split('\n').length], [2, 2]);
      assert.match(stderr, /was revoked, and stays so/);
      assert.deepEqual((await site.primary.get('Device', 'tc-9'))[0]?.body, { group: GROUP });
      assert.equal((await site.primary.thinman(['get', 'Device', 'tc-spare'])).code, 2);
      await spare.waitForStatus('to have handed on its events', ({ pendingEvents }) => pendingEvents === 0);
      await Promise.all([first.stop(), spare.stop()]);
    },

    'a token that is used up, expired, mangled, or for something else: one line, exit code 2, nothing made': async (
      site,
      processes,
    ) => {
      const token = async (...more: string[]) => (await site.primary.administer(['token', 'device', ...more])).trim();
      const used = await token();
      const enrol = (text: string, name: string) =>
        processes.run('thinman-agent', ['enroll', text, '--data', join(site.folder, name), '--name', name]);
      assert.equal((await enrol(used, 'tc-used')).code, 0);
      const expired = await token('--ttl', '1s');
      const expiresAt = (await site.primary.get('EnrollmentToken')).map(({ body }) =>
        Date.parse(String(body.expiresAt)),
      );
      const soonest = Math.min(...expiresAt.filter(at => at > Date.now() - 60_000));
      await waitFor('the token to expire', () => Date.now() > soonest || undefined);
      const forServer = await site.primary.administer(['token', 'server', '--name', 'x', '--url', 'https://x.example']);

      const devices = (await site.primary.get('Device')).length;
      const mangled = used.replace(/.(?=.{20}$)/, char => (char === 'A' ? 'B' : 'A'));
      for (const [text, words] of [
        [used, /used up/],
        [expired, /expired/],
        [mangled, /cut or mistyped/],
        [used.slice(0, -12), /cut or mistyped|not an enrolment token/],
        ['rubbish', /not an enrolment token/],
        [forServer.trim(), /server/],
      ] as const) {
        const { code, stdout, stderr } = await enrol(text, 'tc-none');
        assert.deepEqual([code, stdout, stderr.split('\n').length], [2, '', 2], stderr);
        assert.match(stderr, words);
        assert.ok(!stderr.includes(text) || text === 'rubbish', 'a token is a secret');
      }
      assert.equal((await site.primary.get('Device')).length, devices);
    },
  },
);
