import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { LIGHTDM } from '../test/support/pam.ts';

const SCRIPT = join(import.meta.dirname, 'install-pam.sh');
/** On a device: what is in the agent's package. */
const PACKAGED = join(import.meta.dirname, '../packages/agent/pam');
const SERVICE = `#%PAM-1.0
auth requisite pam_nologin.so
@include common-auth
auth optional pam_gnome_keyring.so
@include common-account
@include common-session
`;

let folder: string;
let service: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-install-'));
  mkdirSync(join(folder, 'pam.d'));
  service = join(folder, 'pam.d', 'lightdm');
  writeFileSync(service, SERVICE, { mode: 0o640 });
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (...args: readonly string[]) => runScript(SCRIPT, ...args);

function runScript(script: string, ...args: readonly string[]) {
  const places = ['--pam-folder', join(folder, 'pam.d'), '--helper', join(folder, 'helper'), '--keep-settings'];
  const { status, stderr } = spawnSync('sh', [script, ...places, ...args], { encoding: 'utf8' });
  return { status, stderr };
}
const installed = () => readFileSync(service, 'utf8');

test('ThinMan is put into a service of PAM once, however often, and out again without a trace', () => {
  assert.equal(run('--data', '/var/lib/thinman', 'lightdm').status, 0);
  const once = installed();
  assert.equal(once.match(/pam_exec\.so/g)?.length, 3);
  assert.doesNotMatch(once, /^@include common-(?:auth|account)/m);
  assert.match(once, /^auth optional pam_gnome_keyring\.so$/m);
  assert.equal(statSync(service).mode & 0o777, 0o640);
  assert.equal(statSync(join(folder, 'helper')).mode & 0o777, 0o755);
  assert.equal(run('--data', '/var/lib/thinman', 'lightdm').status, 0);
  assert.equal(installed(), once);
  assert.equal(run('--remove', 'lightdm').status, 0);
  assert.equal(installed(), SERVICE);
});

test('a device that has the agent’s package alone has all that it takes', () => {
  const files: readonly string[] = JSON.parse(readFileSync(join(PACKAGED, '../package.json'), 'utf8')).files;
  assert.ok(files.includes('pam'));
  cpSync(PACKAGED, join(folder, 'pam'), { recursive: true });
  const { status, stderr } = runScript(join(folder, 'pam', 'install-pam.sh'), '--data', '/var/lib/thinman', 'lightdm');
  assert.equal(status, 0, stderr);
  assert.match(installed(), /pam_exec\.so/);
});

test('LightDM’s own service takes it, and is as it was afterwards', () => {
  writeFileSync(service, LIGHTDM);
  for (let again = 0; again < 2; again++) {
    assert.equal(run('--data', '/var/lib/thinman', 'lightdm').status, 0);
    const [auth, account, session] = ['auth', 'account', 'session'].map(
      type =>
        installed()
          .split('\n')
          .filter(line => line.startsWith(type) && line.includes('pam_exec.so')).length,
    );
    assert.deepEqual([auth, account, session], [1, 1, 1]);
  }
  assert.equal(run('--remove', 'lightdm').status, 0);
  assert.equal(installed(), LIGHTDM);
});

test('with accounts of their own people get a home folder, and no account of the machine is ThinMan’s', () => {
  assert.equal(run('--data', '/var/lib/thinman', '--own-accounts', 'lightdm').status, 0);
  assert.match(installed(), /pam_mkhomedir\.so/);
  assert.doesNotMatch(installed(), /pam_succeed_if/);
});

test('settings of the device that are there stay, and what they lack is said', () => {
  const settings = join(folder, 'local.json');
  const install = (...more: readonly string[]) => {
    const places = ['--pam-folder', join(folder, 'pam.d'), '--helper', join(folder, 'helper'), '--data', folder];
    const { status, stderr } = spawnSync('sh', [SCRIPT, ...places, ...more, 'lightdm'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stderr
      .split('\n')
      .filter(line => !line.includes('nsswitch'))
      .join('\n');
  };
  assert.equal(install('--account', 'games'), '');
  const made = readFileSync(settings, 'utf8');
  assert.deepEqual(JSON.parse(made), { unixAccounts: { kind: 'shared', account: 'games' } });
  assert.equal(install('--account', 'games'), '');
  assert.match(install('--own-accounts'), /"unixAccounts": \{ "kind": "own" \}/);
  assert.equal(readFileSync(settings, 'utf8'), made);
  writeFileSync(settings, '{ "greeter": { "port": 7080 } }');
  assert.match(install('--account', 'games'), /"kind": "shared", "account": "games"/);
});

test('what cannot be done is refused before anything is changed', () => {
  writeFileSync(join(folder, 'pam.d', 'strange'), 'auth required pam_unix.so\n');
  for (const args of [
    ['lightdm'],
    ['--data', 'relative', 'lightdm'],
    ['--data', '/with a space', 'lightdm'],
    ['--data', '/var/lib/thinman', 'lightdm', 'missing'],
    ['--data', '/var/lib/thinman', 'lightdm', 'strange'],
    ['--data', '/var/lib/thinman'],
  ]) {
    const { status, stderr } = run(...args);
    assert.notEqual(status, 0, args.join(' '));
    assert.notEqual(stderr, '');
    assert.equal(installed(), SERVICE, args.join(' '));
  }
});
