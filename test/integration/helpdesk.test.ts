import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ObjectOutput, SessionsAnswer, UserActAnswer, UserShown } from '@thinman/protocol';
import { runThinman } from '../../packages/server/src/cli/thinman.ts';
import { type LocalDevice, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const PASSWORD = 'the-right-password';
let site: SiteInProcess;
let device: LocalDevice;

before(async () => {
  site = await siteInProcess();
  await site.apply({ kind: 'User', name: 'alice', body: { password: PASSWORD, displayName: 'Alice' } });
  device = await site.enrol('tc-1');
  await device.start();
  await device.waitUntilOnline();
});
after(() => site.close());

async function thinman(...args: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const streams = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await runThinman(['node', 'thinman', '--data', site.primary.dir, ...args], streams);
  return { code, stdout: out.join(''), stderr: err.join('') };
}
const logIn = async (password = PASSWORD) => (await device.running().login('alice', password)).reason;

test('who is locked out by wrong passwords is let in again by the helpdesk', async () => {
  for (let n = 0; n < 5; n++) assert.equal(await logIn(`guess-${n}`), 'credentials_invalid');
  assert.equal(await logIn(), 'account_locked');
  const { lockouts } = await site.primary.ask(UserShown, '/users/show?user=alice');
  assert.deepEqual(
    lockouts.map(({ device: where, code: why }) => [where, why]),
    [['tc-1', 'account_locked']],
  );
  const leftMs = (lockouts[0]?.until ?? 0) - Date.now();
  assert.ok(leftMs > 0 && leftMs <= 60_000, `${leftMs} ms`);
  const until = /on tc-1 until \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/;
  for (const words of [
    ['user', 'show', 'alice'],
    ['get', 'User', 'alice'],
    ['get', 'User'],
  ]) {
    assert.match((await thinman(...words)).stdout, until, words.join(' '));
  }
  // What was read is taken back: a lockout is no part of the object.
  const read = await site.primary.ask(ObjectOutput, '/objects/User/alice');
  assert.ok(read.status?.lockouts !== undefined);
  await site.primary.send(ObjectOutput.properties.body, { method: 'PUT', path: '/objects/User/alice', body: read });
  const { code, stdout } = await thinman('user', 'unlock', 'alice');
  assert.equal(code, 0);
  assert.match(stdout, /^unlocked {2}User\/alice\n/);
  assert.equal(await logIn(), null);
  const free = await thinman('user', 'show', 'alice');
  assert.match(free.stdout, /^lockout {3}none$/m);
  assert.match(free.stdout, /^works {5}on tc-1 since .*online$/m);
  assert.equal((await thinman('user', 'show', 'nobody')).code, 2);
  const { body } = await site.primary.ask(ObjectOutput, '/objects/User/alice');
  assert.deepEqual(Object.keys(body).sort(), ['displayName', 'unlockedAt']);
  assert.equal((await thinman('user', 'unlock', 'nobody')).code, 2);
});

test('who works where is listed, since when; an administrator ends it at once, and logging in again is allowed', async () => {
  const items = await waitFor('the session to be known', async () => {
    const answer = await site.primary.ask(SessionsAnswer, '/sessions');
    return answer.items.length > 0 ? answer.items : undefined;
  });
  assert.deepEqual(
    items.map(({ device: where, user, mode }) => [where, user, mode]),
    [['tc-1', 'alice', 'online']],
  );
  assert.ok(Math.abs((items[0]?.since ?? 0) - Date.now()) < 60_000);
  assert.match((await thinman('session', 'list')).stdout, /alice +tc-1 +online/);
  await site.primary.ask(UserActAnswer, '/users/end-sessions', { user: 'alice' });
  await waitFor('the end', () => (device.running().status().session === null ? true : undefined));
  assert.equal(await logIn(), null);
});
