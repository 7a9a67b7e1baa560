import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD, userDn } from '../support/directories/hospital.ts';
import { type Slapd, startSlapd } from '../support/directories/slapd.ts';
import { type LocalDevice, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';

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
  rmSync(folder, { recursive: true });
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
