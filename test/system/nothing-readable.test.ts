import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DEFAULT_EMERGENCY_HOURS, EmergencyCodeAnswer } from '@thinman/protocol';
import { runThinman } from '../../packages/server/src/cli/thinman.ts';
import { openDataKey } from '../../packages/server/src/identity/data-key.ts';
import { emergencyCodeFor, emergencyKeyText } from '../../packages/server/src/identity/emergency.ts';
import { findSecrets } from '../support/canaries.ts';
import { asPromised } from '../support/contract.ts';
import { helpdesk } from '../support/emergency.ts';
import { expectKeysInTheirPlaces, keysOf, printedKey, tokenSecret } from '../support/key-canaries.ts';
import { expectLogin } from '../support/logins.ts';
import type { Processes } from '../support/processes.ts';
import { ADMIN_PASSWORD, type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB, GROUP, PROFILE_CANARIES, profile, user } from '../support/ward.ts';

const NEW_PASSWORD = 'bobs-second-password';
const WRONG_PASSWORD = 'bobs-mistyped-password';
/** Where administrators and users type passwords by mistake. */
const MISPLACED_PASSWORD = 'a-password-in-the-wrong-place';
const BIND_PASSWORD = 'the-password-of-the-directory';
const PASSWORDS = [
  ...[ALICE.password, BOB.password, NEW_PASSWORD, WRONG_PASSWORD, ADMIN_PASSWORD],
  ...[MISPLACED_PASSWORD, BIND_PASSWORD],
];

/** What `thinman` and `thinman-server` have printed for people: a token, a recovery code. */
const PRINTED = /^logs\/thinman(?:-server)?-\d+\.log$/;
const SESSION_FILE = /^home\/\.config\/thinman\/sessions\.json$/;
/** Stands at the head of the token of every session of a user. */
const SESSION_TOKEN_TYPE = 'thinman-session+jwt';

systemTest(
  'no file of a device holds anything of a profile, and no file at all a password; each key lies in its own file alone',
  {},
  async (site, processes) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await expectLogin(tc1, { ...BOB, password: WRONG_PASSWORD }, 'denied credentials_invalid online by primary');
    await expectLogin(tc1, BOB, 'granted online by primary');
    await site.apply(`${user({ ...BOB, password: NEW_PASSWORD })}\n---\n${profile(['ward', 'pharmacy'])}`);
    await expectLogin(tc1, { ...BOB, password: NEW_PASSWORD }, 'granted online by primary');
    await lookAtEverything(site, processes);
    await makeMistakes(site);
    expectNothingReadable(site, processes);

    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted online by secondary');
    await site.secondary.kill();
    await expectLogin(tc1, ALICE, 'granted offline');
    await expectLogin(tc1, { ...ALICE, password: WRONG_PASSWORD }, 'denied credentials_invalid offline');
    expectNothingReadable(site, processes);

    await site.primary.start();
    await site.secondary.start();
    await waitUntilOn(tc1, site.primary);
    await tc1.stop();
    expectNothingReadable(site, processes);
    await tc1.start();
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await tc1.stop();
    expectKeysInTheirPlaces(site, await allKeys(site, processes));
    await expectEmergencyKeyNowhere(site, processes);
    assert.deepEqual(findSecrets([site.folder], [SESSION_TOKEN_TYPE]), []);
    await tc1.start();
    await waitUntilOn(tc1, site.primary);

    // The search can find: the server's own copy of the profile is where it belongs.
    assert.notDeepEqual(findSecrets([site.primary.data], PROFILE_CANARIES), []);
  },
);

/** All that lies somewhere: on disks, and on paper. */
async function allKeys(site: Site, processes: Processes): Promise<Parameters<typeof expectKeysInTheirPlaces>[1]> {
  const code = site.recoveryCode();
  const unused = await site.primary.administer(['token', 'device', '--group', GROUP]);
  const used = await site.primary.administer(['token', 'device', '--group', GROUP]);
  assert.equal(
    (await processes.run('thinman-agent', ['enroll', used.trim(), '--data', join(site.folder, 'tc-2')])).code,
    0,
  );
  const toJoin = ['token', 'server', '--name', 'third', '--url', 'https://127.0.0.1:1'];
  const sessions = readFileSync(join(site.folder, 'home', '.config', 'thinman', 'sessions.json'), 'utf8');
  const [, session = ''] = /"token": "([^"]+)"/.exec(sessions) ?? [];
  return [
    ...keysOf(site),
    printedKey('the recovery code', PRINTED, code, code.replaceAll('-', '')),
    tokenSecret('the token that nobody used', unused.trim(), PRINTED),
    tokenSecret('the token of a device', used.trim(), PRINTED),
    tokenSecret('the token of a server', (await site.primary.administer(toJoin)).trim(), PRINTED),
    printedKey('the session of an administrator', SESSION_FILE, session),
  ];
}

/** It lies on no disk but sealed: servers make it of the data key, the device holds it in its own bundle, under its secret. */
async function expectEmergencyKeyNowhere(site: Site, processes: Processes): Promise<void> {
  const read = (...path: string[]) => readFileSync(join(site.folder, ...path));
  const { siteId, deviceId } = JSON.parse(read('tc-1', 'identity', 'device.json').toString()) as Record<string, string>;
  const dataKey = openDataKey(
    Buffer.from(read('primary', 'identity', 'data.key').toString(), 'base64url'),
    siteId ?? '',
  );
  const spki = createPublicKey(read('tc-1', 'identity', 'device.key')).export({ format: 'der', type: 'spki' });
  const keyHash = createHash('sha256').update(spki).digest('base64url');
  const device = { uid: deviceId ?? '', system: { keyHash } };
  const asked = { user: ALICE.name, challenge: '12345678' } as const;
  const { stdout } = await helpdesk(processes, site.primary, { ...asked, device: 'tc-1' });
  const { code } = asPromised(EmergencyCodeAnswer, stdout);
  // That it is this key which makes the codes.
  const parts = { ...asked, hours: DEFAULT_EMERGENCY_HOURS };
  assert.equal(emergencyCodeFor(dataKey, device, parts), code.replace('-', ''));
  const key = emergencyKeyText(dataKey, device);
  const secrets = [key, { name: 'the emergency key', bytes: Buffer.from(key, 'base64url') }];
  assert.deepEqual(findSecrets([site.folder], secrets), []);
}

/** `thinman ARGS`, in this process, for there are many; what it says goes to the logs, as that of every process. */
async function thinman(site: Site, ...args: readonly string[]): Promise<number> {
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const code = await runThinman(['node', 'thinman', ...args, '--data', site.primary.data], { out: say, err: say });
  appendFileSync(join(site.folder, 'logs', 'thinman-in-process.txt'), said.join(''));
  return code;
}

function inFile(site: Site, text: string): string {
  const file = join(site.folder, 'input', 'by-hand.yaml');
  writeFileSync(file, text);
  return file;
}

/** All that administrators can have printed. */
async function lookAtEverything(site: Site, processes: Processes): Promise<void> {
  const { data, url } = site.primary;
  const body = { type: 'ldap', urls: ['ldap://127.0.0.1:1'], baseDn: 'dc=x', bindPassword: BIND_PASSWORD };
  const directory = JSON.stringify({ kind: 'Directory', name: 'ldap', body });
  const wrongBob = user({ ...BOB, password: WRONG_PASSWORD });
  const looks = [
    ['apply', '-f', inFile(site, directory)],
    ...['User', 'Directory', 'Administrator', 'Device', 'Event', 'EnrollmentToken'].flatMap(kind =>
      ['table', 'yaml', 'json'].map(format => ['get', kind, '-o', format]),
    ),
    ['history', 'User', BOB.name],
    ['history', 'Directory', 'ldap'],
    ['effective', '--device', 'tc-1', '--user', BOB.name],
    ['status'],
  ];
  for (const look of looks) assert.equal(await thinman(site, ...look), 0, look.join(' '));
  assert.equal(await thinman(site, 'diff', '-f', inFile(site, wrongBob)), 0);
  const login = ['login', '--server', url, '--ca', join(data, 'ca.crt'), '--user', 'admin', '--password-stdin'];
  assert.notEqual((await processes.run('thinman', login, { input: WRONG_PASSWORD })).code, 0);
  assert.equal((await processes.run('thinman', login, { input: ADMIN_PASSWORD })).code, 0);
}

/** Each is refused, with words that end up on screens and in logs. */
async function makeMistakes(site: Site): Promise<void> {
  const wrong = [
    `kind: User\nname: carl\nbody: { password: [${MISPLACED_PASSWORD}] }`,
    `kind: User\nname: carl\nbody: { pasword: ${MISPLACED_PASSWORD} }`,
    `kind: User\nname: carl\nbody: { displayName: { password: ${MISPLACED_PASSWORD} } }`,
    `kind: User\nname: carl\nbody:\n  ? { password: ${MISPLACED_PASSWORD} }\n  : 1`,
    `kind: User\nname: carl\nbody: { password: ${MISPLACED_PASSWORD}, password: ${MISPLACED_PASSWORD} }`,
    `kind: User\nname: carl\npassword: ${MISPLACED_PASSWORD}`,
    `kind: User\nname: carl\nbody: { password: "${MISPLACED_PASSWORD}`,
    `kind: Device\nname: tc-1\nbody: { password: ${MISPLACED_PASSWORD} }`,
  ];
  for (const text of wrong) assert.equal(await thinman(site, 'apply', '-f', inFile(site, text)), 2, text);
  const posted = await postWrongly(join(site.agent('tc-1').data, 'login.sock'));
  assert.match(posted, /bad_request/);
  assert.ok(!posted.includes(MISPLACED_PASSWORD), posted);
}

/** A body that a clumsy greeter may send: what comes back may end up in its log. */
function postWrongly(socketPath: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/v1/login', method: 'POST', headers, agent: false }, answer => {
      text(answer).then(resolve, reject);
    });
    sent.on('error', reject).end(JSON.stringify({ user: 'bob', passwd: MISPLACED_PASSWORD, password: { x: 1 } }));
  });
}

function expectNothingReadable(site: Site, processes: Processes): void {
  const devices = site.agents.map(({ data }) => data);
  const logs = join(site.folder, 'logs');
  assert.deepEqual(findSecrets(devices, PROFILE_CANARIES), []);
  assert.deepEqual(
    findSecrets([...devices, site.primary.data, site.secondary.data, join(site.folder, 'home')], PASSWORDS),
    [],
  );
  // What a login prints holds the profile, for the one who logged in; it holds no password.
  assert.deepEqual(findSecrets([logs], PASSWORDS), []);
  for (const { pid, name } of processes.running()) {
    const told = `${readFileSync(`/proc/${pid}/cmdline`)} ${readFileSync(`/proc/${pid}/environ`)}`;
    for (const password of PASSWORDS) assert.ok(!told.includes(password), `a password in the arguments of ${name}`);
  }
}
