import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DECISION_MS, LOGIN_DEADLINE_MS } from '../support/logins.ts';
import { pamService } from '../support/pam.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB, user } from '../support/ward.ts';

/** An account of every Debian that nobody logs in with. */
const KIOSK = 'games';
/** Where systemd looks; cleaned afterwards. */
const RECORDS = '/run/userdb';
/** After this many wrong passwords a user waits on this device. */
const FAILURES = 5;
const CHANGED = { ...ALICE, password: 'alices-second-password' };

type Person = { readonly name: string; readonly password: string };

systemTest('people log in through PAM, whatever servers do', {}, async site => {
  const tc1 = site.agent('tc-1');
  const record = join(RECORDS, `${ALICE.name}.user`);
  assert.ok(!existsSync(record), `${record} is there already: remove it`);
  await using pam = await pamService(tc1, KIOSK, RECORDS, site.folder);
  await using _records = { [Symbol.asyncDispose]: async () => rmSync(record, { force: true }) };
  await tc1.stop();
  await tc1.start();
  await waitUntilOn(tc1, site.primary);

  /** One login through PAM: yes, or what the person read. The invariants are told that somebody logged in. */
  const login = async ({ name, password }: Person, as = name) => {
    const { ok, said, elapsedMs } = await pam.ask(as, password, 'authenticate', 'acct_mgmt');
    site.history.logins.push({ device: tc1.name, user: name, answer: undefined, code: null, stderr: said, elapsedMs });
    assert.ok(elapsedMs < LOGIN_DEADLINE_MS + 2 * DECISION_MS, `${name} waited ${elapsedMs} ms`);
    assert.ok(!said.includes(password), said);
    return ok ? `yes${/offline/.test(said) ? ', offline' : ''}` : said.split('\n').find(line => line !== '');
  };
  const WRONG = 'The user name or the password is wrong.';

  // Online, and what follows: the person is a Unix user with the uid of the kiosk, and somebody is signed in.
  assert.match((await login(ALICE)) ?? '', /^yes$/);
  const passwd = await promisify(execFile)('getent', ['passwd', ALICE.name, KIOSK]);
  const [alice = '', kiosk = ''] = passwd.stdout.split('\n').map(line => line.split(':').slice(2, 4).join());
  assert.equal(alice, kiosk);
  assert.match(await said(login({ ...ALICE, password: 'not-her-password' })), /wrong/);

  // A screen locker of a kiosk asks for the account that it runs as: whoever is signed in unlocks, nobody else.
  assert.equal(await login(ALICE, KIOSK), 'yes');
  assert.equal(await login({ ...ALICE, password: BOB.password }, KIOSK), WRONG);

  // Accounts of the machine stay its own: the agent is not asked.
  assert.equal((await pam.ask('root', ALICE.password, 'authenticate')).ok, false);
  await site.settle();
  assert.ok((await site.primary.events()).every(({ user: whose }) => whose !== 'root'));

  // The session of Unix ends that of ThinMan.
  assert.equal((await pam.ask(ALICE.name, '', 'open_session', 'close_session')).ok, true);
  await tc1.waitForStatus('nobody to be signed in', ({ session }) => session === null);
  assert.equal((await pam.ask(ALICE.name, '', 'acct_mgmt')).ok, false);

  for (let failure = 0; failure < FAILURES; failure++) await login({ ...BOB, password: 'not-his-password' });
  assert.match(await said(login(BOB)), /^Too many failed logins/);

  await site.apply(user(CHANGED));
  assert.equal(await login(ALICE), WRONG);
  assert.equal(await login(CHANGED), 'yes');

  await site.primary.freeze();
  assert.equal(await login(CHANGED), 'yes');
  site.primary.thaw();
  await site.primary.kill();
  assert.equal(await login(CHANGED), 'yes');
  await site.secondary.freeze();
  assert.equal(await login(CHANGED), 'yes, offline');
  assert.equal(await login(ALICE), WRONG);
  await site.secondary.kill();
  assert.equal(await login(CHANGED), 'yes, offline');

  await tc1.stop();
  const without = await pam.ask(ALICE.name, CHANGED.password, 'authenticate');
  assert.equal(without.ok, false);
  assert.match(without.said, /not running/);

  await site.primary.start();
  await site.secondary.start();
  await tc1.start();
  await waitUntilOn(tc1, site.primary);
  // What is open here is hers still, and locked.
  await tc1.logout();
  await site.settle();

  // The helper is killed while a server is asked: PAM has said no, and nobody is left signed in behind it.
  const ended = async () =>
    (await site.primary.events()).filter(({ type, user: whose }) => type === 'logout' && whose === ALICE.name).length;
  const before = await ended();
  await site.primary.freeze();
  const asking = login(CHANGED);
  process.kill(await helperThatWaits(tc1.data), 'SIGKILL');
  assert.doesNotMatch(await said(asking), /^yes/);
  site.primary.thaw();
  await waitFor('the login to be taken back', async () => ((await ended()) > before ? true : undefined));
  assert.equal((await tc1.status()).session, null);
  assert.equal(await login(CHANGED), 'yes');
});

/** The helper of pam_exec for this device, as soon as it has asked and waits for the answer: it reads what is not its standard input. */
function helperThatWaits(dataDir: string): Promise<number> {
  return waitFor('the helper to wait for an answer', () => {
    for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
      try {
        const [, helper = '', folder] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (!helper.endsWith('thinman-pam') || folder !== dataDir) continue;
        const [, file = '0x0'] = readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ');
        const link = Number(file) > 2 ? readlinkSync(`/proc/${pid}/fd/${Number(file)}`) : '';
        if (link.startsWith('socket:')) return Number(pid);
      } catch {
        // It has ended, or runs.
      }
    }
    return undefined;
  });
}

const said = async (text: Promise<string | undefined>) => (await text) ?? '';
