import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Database from 'better-sqlite3';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD, userDn } from '../support/directories/hospital.ts';
import { type Slapd, startSlapd } from '../support/directories/slapd.ts';
import { type LocalDevice, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

let slapd: Slapd;
let site: SiteInProcess;
let device: LocalDevice;
const folder = mkdtempSync(join(tmpdir(), 'thinman-slapd-'));

before(async () => {
  slapd = await startSlapd(folder);
  site = await siteInProcess();
  await site.apply(
    {
      kind: 'Directory',
      name: 'lab',
      body: {
        ...{ type: 'ldap', urls: [slapd.ldapsUrl], ca: slapd.ca, baseDn: BASE_DN, suffix: 'lab.test' },
        ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
      },
    },
    { kind: 'UserGroup', name: 'staff', body: {} },
    { kind: 'UserGroup', name: 'Night-Shift', body: {} },
    {
      kind: 'Profile',
      name: 'wiki',
      body: { connections: [{ name: 'wiki', type: 'web', url: 'https://wiki.lab.test' }] },
    },
    { kind: 'Assignment', name: 'wiki-of-nights', body: { profile: 'wiki', to: { userGroup: 'Night-Shift' } } },
  );
  device = await site.enrol('tc-1');
  await device.start();
  await device.waitUntilOnline();
});
after(async () => {
  await site.close();
  await slapd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const login = (user: string, password = USER_PASSWORD) => device.running().login(user, password);

test('a user of the directory needs no object, and has what the groups around the own group are given', async () => {
  for (const name of ['alice@lab.test', 'LAB\\alice', 'alice', 'ALICE@lab.test']) {
    const result = await login(name);
    assert.deepEqual([name, result.verdict, result.reason, result.mode], [name, 'granted', null, 'online']);
    assert.deepEqual(
      result.profile?.connections.map(({ name: connection }) => connection),
      ['wiki'],
    );
  }
});

test('a wrong password is one bind, and an unknown user looks the same', async () => {
  const before = slapd.binds('uid=bob,');
  const wrong = await login('bob@lab.test', 'wrong-password');
  assert.deepEqual([wrong.verdict, wrong.reason, wrong.mode], ['denied', 'credentials_invalid', 'online']);
  assert.equal(slapd.binds('uid=bob,'), before + 1);
  const unknown = await login('nobody@lab.test', 'wrong-password');
  assert.deepEqual([unknown.verdict, unknown.reason], ['denied', 'credentials_invalid']);
});

test('what is wrong with an account is told after the right password alone', async () => {
  await slapd.modify(`dn: ${userDn('u1')}\nchangetype: modify\nadd: shadowExpire\nshadowExpire: 100\n`);
  assert.equal((await login('u1@lab.test')).reason, 'account_expired');
  assert.equal((await login('u1@lab.test', 'wrong-password')).reason, 'credentials_invalid');
});

/** The row is sealed after the answer, with a key of the device's own. The agent's file is locked: a copy is read. */
const cached = (user: string) =>
  waitFor(`${user} to be cached`, () => {
    const copy = join(folder, 'copy.db');
    for (const end of ['', '-wal']) copyFileSync(join(device.dir, `cache.db${end}`), `${copy}${end}`);
    const cache = new Database(copy);
    try {
      return cache.prepare('SELECT 1 FROM fact WHERE kind = ? AND key = ?').get('login', user) === undefined
        ? undefined
        : true;
    } finally {
      cache.close();
      for (const end of ['', '-wal', '-shm']) rmSync(`${copy}${end}`, { force: true });
    }
  });
const session = () => device.running().status().session;
const modeIs = (mode: string) =>
  waitFor(`mode ${mode}`, () => (device.running().status().mode === mode ? true : undefined));

test('offline the same password lets in and no other; afterwards the directory vouches for the session', async () => {
  assert.equal((await login('bob@lab.test')).verdict, 'granted');
  await cached('bob@lab.test');
  await site.primary.stop();
  await modeIs('offline');
  const wrong = await login('bob@lab.test', 'wrong-password');
  assert.deepEqual([wrong.verdict, wrong.reason, wrong.mode], ['denied', 'credentials_invalid', 'offline']);
  const offline = await login('bob@lab.test');
  assert.deepEqual([offline.verdict, offline.mode], ['granted', 'offline']);
  assert.equal(session()?.mode, 'offline');
  await site.primary.start();
  await waitFor('the session to be vouched for', () => (session()?.mode === 'online' ? true : undefined));
  const proved = await waitFor('the event', async () => (await site.events('session.proved'))[0]);
  assert.equal(proved.user, 'bob@lab.test');
});

test('an offline session of a user who is shut out meanwhile ends when the device is back', async () => {
  assert.equal((await login('u2@lab.test')).verdict, 'granted');
  await cached('u2@lab.test');
  await site.primary.stop();
  await modeIs('offline');
  assert.deepEqual((await login('u2@lab.test')).mode, 'offline');
  await slapd.modify(`dn: ${userDn('u2')}\nchangetype: modify\nadd: shadowExpire\nshadowExpire: 100\n`);
  await site.primary.start();
  await waitFor('the session to end', () => (session() === null ? true : undefined));
  const ended = () => site.events('session.ended');
  const last = await waitFor('the event', async () => (await ended()).find(({ user }) => user === 'u2@lab.test'));
  assert.equal(last.data.reason, 'account_expired');
});

test('an administrator shuts a directory user out by a User object, which ends the cached login too', async () => {
  assert.equal((await login('u3@lab.test')).verdict, 'granted');
  await cached('u3@lab.test');
  await site.apply({ kind: 'User', name: 'u3@lab.test', body: { disabled: true } });
  const denied = await login('u3@lab.test');
  assert.deepEqual([denied.verdict, denied.reason], ['denied', 'account_disabled']);
  await site.primary.stop();
  await modeIs('offline');
  assert.equal((await login('u3@lab.test')).verdict, 'denied');
  await site.primary.start();
});
