import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD, USER_PASSWORD } from '../support/directories/hospital.ts';
import { type Slapd, startSlapd } from '../support/directories/slapd.ts';
import { type LocalDevice, type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

let slapd: Slapd;
let site: SiteInProcess;
let secondary: LocalServer;
let device: LocalDevice;
const folder = mkdtempSync(join(tmpdir(), 'thinman-two-'));
before(async () => {
  slapd = await startSlapd(folder);
  site = await siteInProcess();
  await site.apply({
    kind: 'Directory',
    name: 'lab',
    body: {
      ...{ type: 'ldap', urls: [slapd.ldapsUrl], ca: slapd.ca, baseDn: BASE_DN, suffix: 'lab.test' },
      ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
    },
  });
  secondary = await site.joinSecondary();
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
const answersTo = async (user: string) => (await site.events('login.answered')).filter(event => event.user === user);

test('row 7: a wrong password is one bind and one answer, no second server is asked', async () => {
  assert.equal((await login('u5@lab.test', 'wrong-password')).reason, 'credentials_invalid');
  await waitFor('the answer', async () => ((await answersTo('u5@lab.test')).length > 0 ? true : undefined));
  assert.deepEqual(
    (await answersTo('u5@lab.test')).map(({ takenBy, data }) => [takenBy, data.reason]),
    [['primary', 'credentials_invalid']],
  );
  assert.equal(slapd.binds('uid=u5,'), 1);
});

test('the directory is away: the device asks the next server, is told why, and lets in by what it holds', async () => {
  assert.equal((await login('u6@lab.test')).verdict, 'granted');
  await slapd.process().freeze();
  try {
    const result = await login('u7@lab.test');
    assert.deepEqual([result.verdict, result.reason, result.mode], ['denied', 'no_cached_login', 'offline']);
    const known = await login('u6@lab.test');
    assert.deepEqual([known.verdict, known.mode], ['granted', 'offline']);
  } finally {
    slapd.process().signal('SIGCONT');
  }
  await waitFor('the directory', async () => ((await login('u7@lab.test')).verdict === 'granted' ? true : undefined));
});

test('the Primary is gone: the Secondary asks the directory itself, and a session goes on there', async () => {
  assert.equal((await login('u8@lab.test')).server, 'primary');
  await site.primary.stop();
  const result = await login('u8@lab.test');
  assert.deepEqual([result.verdict, result.server], ['granted', 'secondary']);
  assert.equal((await login('u8@lab.test', 'wrong-password')).reason, 'credentials_invalid');
  assert.equal(slapd.binds('uid=u8,'), 3);
  await site.primary.start();
  await device.waitUntilOnline();
  assert.equal(secondary.running().status().state, 'serving');
});

test('row 15: a revoked device is refused, and lets no directory user in afterwards', async () => {
  await waitFor('the Primary', () => (device.running().status().server?.name === 'primary' ? true : undefined));
  assert.equal((await login('u9@lab.test')).verdict, 'granted');
  await site.apply({ kind: 'Device', name: 'tc-1', body: { revoked: true } });
  const revoked = await login('u9@lab.test');
  assert.deepEqual([revoked.verdict, revoked.reason], ['denied', 'device_revoked']);
  await secondary.stop();
  await site.primary.stop();
  assert.equal((await login('u9@lab.test')).verdict, 'denied');
  await site.primary.start();
});
