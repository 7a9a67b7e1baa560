import assert from 'node:assert/strict';
import { expectLogin, LOGIN_DEADLINE_MS } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB } from '../support/ward.ts';

systemTest('row 6: with both servers known to be dead the offline login comes at once', {}, async site => {
  const tc1 = site.agent('tc-1');
  const online = await expectLogin(tc1, ALICE, 'granted online by primary');

  await site.primary.kill();
  await site.secondary.kill();
  await tc1.waitForStatus('to be offline', ({ mode }) => mode === 'offline');
  const offline = await expectLogin(tc1, ALICE, 'granted offline');
  assert.ok(
    offline.elapsedMs < LOGIN_DEADLINE_MS / 2,
    `it waited ${offline.elapsedMs} ms for servers known to be dead`,
  );
  assert.deepEqual(offline.profile, online.profile);
  assert.equal((await tc1.status()).session?.mode, 'offline');
  await expectLogin(tc1, { ...ALICE, password: 'not-her-password' }, 'denied credentials_invalid offline');
  await expectLogin(tc1, BOB, 'denied no_cached_login offline');

  await site.secondary.start();
  await site.primary.start();
  await waitUntilOn(tc1, site.primary);
});

systemTest('row 6: with both servers hanging the offline login comes within the deadline', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await site.primary.freeze();
  await site.secondary.freeze();
  await expectLogin(tc1, ALICE, 'granted offline');
  site.primary.thaw();
  site.secondary.thaw();
  await waitUntilOn(tc1, site.primary);
});

systemTest(
  'row 22: a device that boots with every server dead is ready for offline login, and connects by itself later',
  {},
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await tc1.stop();
    await site.primary.kill();
    await site.secondary.kill();

    assert.match(await tc1.start(), /^READY mode=offline\b/);
    const agent = tc1.process();
    await expectLogin(tc1, ALICE, 'granted offline');
    await expectLogin(tc1, BOB, 'denied no_cached_login offline');
    const { server, servers } = await tc1.status();
    assert.equal(server, null);
    assert.deepEqual(
      servers.map(({ name }) => name),
      ['primary', 'secondary'],
    );

    await site.secondary.start();
    await waitUntilOn(tc1, site.secondary);
    await site.primary.start();
    await waitUntilOn(tc1, site.primary);
    assert.equal(agent.isRunning(), true, 'it never exits because servers are away');
  },
);
