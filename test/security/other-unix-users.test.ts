import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type Agent, createAgent } from '../../packages/agent/src/agent.ts';
import { feedProgram } from '../support/programs.ts';
import { type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';

const SKIP = process.getuid?.() === 0 ? false : '!!! NOT RUN: needs root, to become nobody';
const OTHERS = 0o077;
const PASSWORD = 'alices-first-password';

let site: SiteInProcess;
let agent: Agent;
let device: string;

before(async () => {
  site = await siteInProcess();
  await site.apply({ kind: 'User', name: 'alice', body: { password: PASSWORD } });
  ({ dir: device } = await site.enrol('tc-1'));
  agent = createAgent({ dataDir: device, random: () => 0 });
  await agent.start();
  await agent.ready();
  // A folder of `mkdtemp` would keep others out all by itself; where data folders lie they can get.
  chmodSync(site.root, 0o755);
});
after(async () => {
  await agent.stop();
  await site.close();
});

/** A program of another user: starts as root, and from its first line on is `nobody` in `nogroup`. */
const AS_NOBODY = `
  process.setgroups([]); process.setgid(65534); process.setuid(65534);
  const [what, path, method, url, body] = process.argv.slice(1);
  const fs = require('node:fs');
  const say = text => console.log(text);
  const headers = body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {};
  if (what === 'ask') {
    require('node:http').request({ socketPath: path, method, path: url, headers, agent: false }, answer => {
      let text = '';
      answer.on('data', chunk => { text += chunk; }).on('end', () => say(answer.statusCode + ' ' + text));
    }).on('error', error => say(error.code)).end(body);
  } else {
    try { say(method === undefined ? fs[what](path) : fs[what](path, method)); } catch (error) { say(error.code); }
  }`;

async function asNobody(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', AS_NOBODY, ...args]);
  return stdout.trim();
}

describe('another Unix user of the machine', { skip: SKIP }, () => {
  const login = JSON.stringify({ user: 'alice', password: 'a-guess-of-nobody' });

  test('may log in over login.sock, and is told no more than whether somebody is signed in', async () => {
    const socket = join(device, 'login.sock');
    assert.match(await asNobody('ask', socket, 'POST', '/v1/login', login), /^200 .*"reason":"credentials_invalid"/);
    const status = await asNobody('ask', socket, 'GET', '/v1/status');
    assert.deepEqual(JSON.parse(status.replace(/^200 /, '')), { device: 'tc-1', mode: 'online', session: null });
    assert.match(await asNobody('ask', socket, 'POST', '/v1/logout'), /^404 /);
  });

  test('unlocks a screen through PAM, as lockers that run as the person do, and ends no session', async () => {
    const helper = join(site.root, 'thinman-pam');
    copyFileSync(join(import.meta.dirname, '../../packages/agent/pam/thinman-pam'), helper);
    chmodSync(helper, 0o755);
    const asked = (type: string, password: string) => {
      const environment = ['env', `PAM_TYPE=${type}`, 'PAM_USER=alice', 'LANG=C'];
      const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
      return feedProgram(password, 'setpriv', ...nobody, ...environment, helper, device);
    };
    await assert.rejects(asked('auth', 'a-guess-of-nobody'), { stdout: 'The user name or the password is wrong.\n' });
    await asked('auth', PASSWORD);
    await asked('account', '');
    await assert.rejects(asked('close_session', ''));
    assert.equal(agent.status().session?.user, 'alice');
    await agent.logout();
  });

  test('cannot open the agent’s control.sock', async () => {
    assert.equal(await asNobody('ask', join(device, 'control.sock'), 'GET', '/v1/status'), 'EACCES');
  });

  test('cannot open a server’s admin.sock, nor see that it is there', async () => {
    const socket = join(site.primary.dir, 'admin.sock');
    assert.equal(await asNobody('ask', socket, 'GET', '/v1/admin/status'), 'EACCES');
    assert.equal(await asNobody('statSync', socket), 'EACCES');
  });

  test('reads and lists nothing of either folder', async () => {
    assert.equal(await asNobody('readdirSync', site.primary.dir), 'EACCES');
    assert.equal(await asNobody('readdirSync', device), 'EACCES');
    for (const file of ['cache.db', 'identity/device.key', 'identity/device.secret', 'lock']) {
      assert.equal(await asNobody('readFileSync', join(device, file)), 'EACCES', file);
    }
  });

  test('puts no socket of its own in the place of the agent’s', async () => {
    assert.equal(await asNobody('unlinkSync', join(device, 'login.sock')), 'EACCES');
    assert.equal(await asNobody('writeFileSync', join(device, 'other.sock'), 'x'), 'EACCES');
  });
});

describe('what lies in a data folder', () => {
  const entries = (folder: string) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => {
      const stat = lstatSync(join(folder, name));
      const kind = stat.isDirectory() ? 'folder' : stat.isSocket() ? 'socket' : 'file';
      return { name: relative('', name), kind, mode: stat.mode & 0o777 };
    });

  test('of a server is its owner’s alone', () => {
    assert.equal(lstatSync(site.primary.dir).mode & 0o777, 0o700);
    const open = entries(site.primary.dir).filter(({ mode, name }) => (mode & OTHERS) !== 0 && name !== 'ca.crt');
    assert.deepEqual(open, []);
    const modes = new Map(entries(site.primary.dir).map(({ name, mode }) => [name, mode]));
    for (const key of ['tls.key', 'session.key', 'wrapping.key', 'data.key', 'ca.key']) {
      assert.equal(modes.get(`identity/${key}`), 0o600, key);
    }
  });

  test('of a device is its owner’s alone, but the login socket and the policy for other programs', () => {
    assert.equal(lstatSync(device).mode & 0o777, 0o711);
    const open = entries(device).filter(({ mode }) => (mode & OTHERS) !== 0);
    assert.deepEqual(open.map(({ name, mode }) => [name, mode.toString(8)]).toSorted(), [
      ['applied', '755'],
      ['applied/device-policy.json', '644'],
      ['login.sock', '666'],
    ]);
    const modes = new Map(entries(device).map(({ name, mode }) => [name, mode]));
    assert.equal(modes.get('identity'), 0o700);
    assert.equal(modes.get('identity/device.secret'), 0o600);
  });
});
