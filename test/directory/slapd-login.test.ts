import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DirectoryTestAnswer, type DirectoryTestRequest, ServerReport } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { diagnose } from '../../packages/server/src/care/doctor/doctor.ts';
import { runThinman } from '../../packages/server/src/cli/thinman.ts';
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

async function thinman(...args: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const streams = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await runThinman(['node', 'thinman', '--data', site.primary.dir, ...args], streams);
  const said = [...out, ...err].join('');
  assert.ok(!said.includes(SLAPD_PASSWORD) && !said.includes(USER_PASSWORD), said);
  return { code, stdout: out.join(''), stderr: err.join('') };
}

const lab = () => ({
  ...{ type: 'ldap', urls: [slapd.ldapsUrl], ca: slapd.ca, baseDn: BASE_DN, suffix: 'lab.test' },
  ...{ bindDn: SERVICE_DN, bindPassword: SLAPD_PASSWORD },
});
async function tried(asked: Omit<DirectoryTestRequest, 'name'>) {
  const answer = await site.primary.ask(DirectoryTestAnswer, '/directories/test', { name: 'lab', ...asked });
  assert.ok(!JSON.stringify(answer).includes(SLAPD_PASSWORD), 'no finding has the password');
  return answer.findings;
}
const worst = async (body: object) => (await tried({ body: body as Record<string, unknown> })).at(-1);

test('a directory is tried as it is stored, and as it would be, step by step', async () => {
  assert.deepEqual(
    (await tried({})).map(({ step, level }) => `${step} ${level}`),
    ['reach ok', 'service account ok', 'base DN ok', 'user filter ok'],
  );
  const startTls = { ...lab(), urls: [slapd.url], startTls: true };
  assert.equal((await worst(startTls))?.step, 'user filter');
  assert.match((await worst({ ...lab(), ca: site.primary.read('ca.crt') }))?.do ?? '', /into ca$/);
  assert.match((await worst({ ...lab(), ca: undefined }))?.do ?? '', /into ca$/);
  assert.match((await worst({ ...lab(), tlsServerName: 'dc9.lab.test' }))?.do ?? '', /tlsServerName/);
  assert.match((await worst({ ...lab(), urls: ['ldaps://127.0.0.1:9'] }))?.do ?? '', /port/);
  assert.match((await worst({ ...lab(), urls: [slapd.url.replace('ldap:', 'ldaps:')] }))?.do ?? '', /TLS/);
  assert.match((await worst({ ...lab(), bindPassword: 'not-that-one' }))?.found ?? '', /is refused.*LDAP 49/);
  assert.match((await worst({ ...lab(), baseDn: 'dc=other,dc=test' }))?.found ?? '', /dc=other,dc=test is not there/);
  assert.match((await worst({ ...lab(), userFilter: '(employeeNumber={user})' }))?.found ?? '', /finds nobody/);
  // The stored password for what is the same but for one field.
  assert.equal((await worst({ ...lab(), bindPassword: { secret: 'set' } }))?.level, 'ok');
});

test('a user is looked up as a login would, and a password is one bind', async () => {
  const about = async (asked: Omit<DirectoryTestRequest, 'name'>) =>
    (await tried(asked)).filter(({ step }) => step === 'user').map(({ level, found }) => `${level} ${found}`);
  const [alice] = await about({ user: 'LAB\\Alice' });
  assert.match(alice ?? '', /^ok alice@lab\.test \(.*groups: .*ward-3.*; of the site are .*staff/);
  assert.match((await about({ user: 'nobody@lab.test' }))[0] ?? '', /^fail there is nobody/);
  assert.match((await about({ user: 'alice@other.test' }))[0] ?? '', /^warn .* does not come to this directory/);
  assert.match((await about({ user: 'u1@lab.test' }))[0] ?? '', /^warn .*would be refused: account_expired/);
  const before = slapd.binds('uid=alice,');
  assert.deepEqual(await about({ user: 'alice', password: 'wrong-password' }), ['fail denied: credentials_invalid']);
  assert.equal(slapd.binds('uid=alice,'), before + 1);
  assert.match((await about({ user: 'alice', password: USER_PASSWORD }))[0] ?? '', /^ok the password is right: alice@/);
});

test('the commands say it in words: directory test, status, doctor; and the metrics count', async () => {
  const good = await thinman('directory', 'test', 'lab', '--user', 'bob');
  assert.deepEqual([good.code, good.stderr], [0, '']);
  assert.match(good.stdout, /^Directory\/lab, as primary sees it\n/);
  const file = join(folder, 'lab.yaml');
  writeFileSync(file, JSON.stringify({ kind: 'Directory', name: 'lab', body: { ...lab(), baseDn: 'dc=other' } }));
  const bad = await thinman('directory', 'test', 'lab', '-f', file);
  assert.deepEqual([bad.code, bad.stderr], [1, '']);
  assert.match(bad.stdout, /fail {2}base DN .*\n +→ check baseDn/);
  assert.equal((await thinman('directory', 'test', 'lib')).code, 2);
  assert.match((await thinman('directory', 'test', 'lib', '-f', file)).stderr, /there is no Directory "lib" in these/);
  assert.equal((await login('alice@lab.test')).verdict, 'granted', 'nothing was stored');
  assert.match((await thinman('status')).stdout, /^lab +ldaps:.* up/m);

  const directoryChecks = async () => {
    const { checks } = await diagnose({
      dataDir: site.primary.dir,
      askStatus: () => site.primary.ask(ServerReport, '/status'),
    });
    return checks.filter(({ check }) => check === 'directory').map(({ level, found }) => `${level} ${found}`);
  };
  assert.deepEqual(await directoryChecks(), [
    `ok lab (${slapd.ldapsUrl}): reach, service account, base DN, user filter as they should`,
  ]);
  await slapd.process().kill();
  await login('alice@lab.test');
  assert.match((await directoryChecks())[0] ?? '', /^fail lab .*: reach: .*ECONNREFUSED/);
  const { directories: [left] = [] } = await site.primary.ask(ServerReport, '/status');
  const [server] = left?.servers ?? [];
  assert.equal(server?.breaker, 'open');
  assert.match(server?.lastError ?? '', /ECONNREFUSED/);
  assert.ok(Math.abs((server?.since ?? 0) - Date.now()) < 60_000);
  assert.match((await thinman('status')).stdout, /^lab +ldaps:.* left out since .*ECONNREFUSED/m);
  assert.match(await site.primary.metrics(), /^thinman_directory_servers\{breaker="open"\} 1$/m);
  await slapd.start();
  await waitFor('the directory to be asked again', async () => {
    const { directories = [] } = await site.primary.ask(ServerReport, '/status');
    return directories[0]?.servers[0]?.breaker === 'closed' || undefined;
  });
});

test('what is said of a session is heard at once after its server was started again, and on coming back', async () => {
  assert.equal((await login('u4@lab.test')).verdict, 'granted');
  await site.primary.stop();
  await site.primary.start();
  await modeIs('online');
  await waitFor(
    'the session to be known',
    async () => /u4@lab\.test/.test((await thinman('session', 'list')).stdout) || undefined,
  );
  const nameless = (await thinman('session', 'end', 'LAB\\u4')).stdout;
  assert.match(nameless, /User\/u4@lab\.test/);
  // The next refresh of the token is ten minutes away.
  await waitFor('the session to end', () => (session() === null ? true : undefined));
});

test('a kiosk signs the account of a directory in by itself, whatever form its policy names it by', async () => {
  await site.apply(
    { kind: 'DeviceGroup', name: 'lobbies', body: {} },
    {
      kind: 'Policy',
      name: 'lobby',
      body: { scope: 'device', settings: { session: { autologin: { user: 'LAB\\u5', password: USER_PASSWORD } } } },
    },
    { kind: 'Assignment', name: 'lobby', body: { policy: 'lobby', to: { deviceGroup: 'lobbies' } } },
  );
  const kiosk = await site.enrol('kiosk-1', await site.token({ for: 'device', group: 'lobbies' }));
  await kiosk.start();
  const by = () => kiosk.running().status().session;
  await waitFor('the kiosk to sign in', () => by()?.autologin);
  for (const name of ['u5@lab.test', 'U5', 'lab\\u5']) {
    assert.equal((await kiosk.running().login(name, 'guess')).reason, 'autologin_only', name);
  }
  await site.apply({ kind: 'User', name: 'u5@lab.test', body: { disabled: true } });
  await waitFor('the refusal', () => kiosk.running().status().autologin?.reason === 'account_disabled' || undefined);
  assert.equal(by(), null);
  // Nobody names this device in it: its policy does.
  await site.apply({ kind: 'User', name: 'u5@lab.test', body: {} });
  await waitFor('the kiosk to sign in again', () => by()?.autologin);
});
