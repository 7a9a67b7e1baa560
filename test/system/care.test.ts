import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectLogin } from '../support/logins.ts';
import { recoveryCodeIn } from '../support/recovery.ts';
import { createScratch } from '../support/scratch.ts';
import { createServerCommands } from '../support/server-commands.ts';
import { createSite, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { FAST_TIMINGS } from '../support/timings.ts';
import { doctorOn, expectClean } from '../support/verified.ts';
import { ALICE, BOB, GROUP, WARD } from '../support/ward.ts';

systemTest('verify is clean on both servers, whether they run or not, and names what differs', {}, async site => {
  const { primary, secondary } = site;
  await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
  await expectClean(primary, secondary);
  await secondary.stop();
  await expectClean(primary, secondary);
  await site.apply('{ kind: User, name: dora, body: {} }');
  const behind = await secondary.tend(['verify']);
  assert.equal(behind.code, 0, behind.stderr);
  assert.match(behind.stdout, /^on their way +1 objects of later commits$/m);
  assert.match(behind.stdout, /^clean$/m);

  const { default: Database } = await import('better-sqlite3');
  const replica = new Database(join(secondary.data, 'replica.db'));
  replica.exec(`UPDATE objects SET body = '{}' WHERE kind = 'User' AND name = 'bob'`);
  replica.close();
  const differs = await secondary.tend(['verify']);
  assert.equal(differs.code, 1);
  assert.match(differs.stdout, /^differs +User bob is not the same in the replica$/m);
  await secondary.start();
  await secondary.waitForStatus('to have filled its replica anew', ({ state }) => state === 'serving');
  await expectClean(secondary);
});

systemTest('doctor finds a pair fit, and says what is wrong when a server or the database is away', {}, async site => {
  const { primary, secondary } = site;
  await primary.waitForStatus('to be linked', ({ secondaries = [] }) => secondaries.every(({ linked }) => linked));
  const fit = ['warn recovery code', 'warn redundancy'];
  const reserve = (bad: readonly string[]) => bad.filter(one => one !== 'warn journal reserve');
  for (const server of [primary, secondary]) {
    const { code, level, bad } = await doctorOn(server);
    assert.deepEqual([code, level, reserve(bad)], [0, 'warn', fit]);
  }
  await secondary.kill();
  const alone = await doctorOn(primary);
  assert.deepEqual([alone.code, reserve(alone.bad)], [1, ['fail other server', ...fit, 'warn link'].toSorted()]);
  const stopped = await doctorOn(secondary);
  assert.deepEqual([stopped.code, reserve(stopped.bad)], [0, [...fit, 'warn server'].toSorted()]);
  await secondary.start();
});

test('a site is restored from a backup onto an empty host: devices find it, and the Secondary follows', async () => {
  await using scratch = createScratch('thinman-restore-');
  const { folder, processes } = scratch;
  const site = await createSite({ folder, processes });
  const { primary, secondary } = site;
  const listen = new URL(primary.url).host;
  const place = ['--data', primary.data, '--name', 'primary', '--listen', listen, '--url', primary.url];
  const init = await processes.run('thinman-server', ['init', ...place]);
  const code = recoveryCodeIn(init.stdout);
  await primary.start();
  await site.joinSecondary();
  await site.apply(
    `${JSON.stringify({ kind: 'SiteSettings', name: 'site', body: { agent: FAST_TIMINGS } })}\n---${WARD}`,
  );
  const tc1 = await site.addAgent('tc-1', GROUP);
  await tc1.start();
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await site.settle();

  const file = join(folder, 'site.backup');
  const backup = await primary.tend(['backup', file]);
  assert.equal(backup.code, 0, backup.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const events = (await primary.events()).length;
  const again = await primary.tend(['backup', file]);
  assert.deepEqual([again.code, /--force/.test(again.stderr)], [2, true]);
  const onSecondary = await secondary.tend(['backup', `${file}-2`]);
  assert.deepEqual([onSecondary.code, /on the Primary/.test(onSecondary.stderr)], [2, true]);

  // What comes after the backup is lost with the host.
  await site.apply('{ kind: User, name: too-late, body: {} }');
  await waitUntilOn(tc1, primary);
  await primary.kill();

  const host = createServerCommands(processes, 'restored', join(folder, 'restored'), primary.url);
  const at = ['--listen', listen, '--url', primary.url, '--recovery-code-stdin'];
  const cut = join(folder, 'cut.backup');
  writeFileSync(cut, readFileSync(file).subarray(0, -100));
  const refused = await host.tend(['restore', cut, ...at], code);
  assert.deepEqual([refused.code, refused.stderr.trim().split('\n').length], [2, 1], refused.stderr);
  const restored = await host.tend(['restore', file, ...at], code);
  assert.equal(restored.code, 0, restored.stderr);
  assert.match(restored.stdout, /^restored +in [\d.]+ s; this host is primary, the Primary$/m);
  await host.start();

  await tc1.waitForStatus('to follow the new epoch', ({ epoch, server }) => epoch === 2 && server?.name === 'primary');
  await expectLogin(tc1, BOB, 'granted online by primary');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  assert.deepEqual(
    (await host.get('User')).map(({ name }) => name),
    ['alice', 'bob'],
  );
  await expectClean(host);
  await host.administer(['apply', '-f', '-'], '{ kind: User, name: erin, body: {} }');
  assert.ok((await host.events()).length > events, 'the events came along');

  // The Secondary is put onto the new database, as docs/operations.md says.
  await secondary.stop();
  const config = join(secondary.data, 'server.json');
  writeFileSync(config, readFileSync(config, 'utf8').replace(primary.data, host.data));
  await secondary.start();
  const { generation } = await host.status();
  await secondary.waitForStatus(
    'to follow',
    has => has.epoch === 2 && has.generation === generation && has.state === 'serving',
  );
  await expectClean(secondary);
  await host.kill();
  await expectLogin(tc1, ALICE, 'granted online by secondary');

  // The old host comes back, with all its keys: a statement tells it that it is no server any more.
  const back = primary.start().catch(() => 'it was never ready');
  await primary.waitForStatus('to know that it was replaced', ({ why }) => why === 'removed');
  const written = await primary.thinman(['apply', '-f', '-'], '{ kind: User, name: mallory, body: {} }');
  assert.notEqual(written.code, 0);
  await expectLogin(tc1, ALICE, 'granted online by secondary');
  await primary.kill();
  assert.equal(await back, 'it was never ready');
  const verified = await doctorOn(host, ['--recovery-code-stdin'], code);
  assert.equal(verified.checks.find(({ check }) => check === 'recovery code')?.level, 'ok');
});
