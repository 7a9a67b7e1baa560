import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import { createStartClient } from '../../packages/agent/src/apply/connections/start-client.ts';
import type { Launch } from '../../packages/agent/src/apply/launchers/launch.ts';
import { planOf } from '../../packages/agent/src/apply/launchers/plan.ts';
import { sshArguments } from '../../packages/agent/src/apply/launchers/programs.ts';
import { openMemoryFolder } from '../../packages/agent/src/apply/memory-folder.ts';
import type { Connection } from '../../packages/protocol/src/index.ts';
import { freeRdp3 } from '../support/freerdp3.ts';
import { freePort } from '../support/loopback.ts';
import { SYSTEM_PATH, startProgram, systemProgram } from '../support/programs.ts';
import { createScratch, type Scratch } from '../support/scratch.ts';
import { openScreen, type Screen } from '../support/screens.ts';
import { waitFor } from '../support/wait.ts';

const execute = promisify(execFile);
const NOBODY = { user: null, canSignOn: false };

let scratch: Scratch;
let screen: Screen;
let memory: string;
before(async () => {
  scratch = createScratch('thinman-launched-');
  screen = await openScreen('screen', join(scratch.folder, 'logs'));
  memory = mkdtempSync('/dev/shm/thinman-launched-');
});
after(async () => {
  await screen[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
  rmSync(memory, { recursive: true, force: true });
});

function launchOf(connection: Connection): Launch {
  const plan = planOf(connection, NOBODY);
  assert.ok(plan.kind === 'launch');
  return plan.launch;
}

const everything: Connection = {
  ...{ name: 'all', type: 'rdp', host: '127.0.0.1', port: 3389, user: 'alice', domain: 'LAB', title: 'All of it' },
  ...{
    remoteApp: 'notes',
    remoteAppArguments: '/quiet "a b"',
    gateway: '127.0.0.1',
    loadBalanceInfo: 'tsv://x.1.farm',
  },
  ...{
    security: 'tls',
    certificate: 'first-use',
    colorDepth: 24,
    dynamicResolution: true,
    fullscreen: false,
    monitors: 'all',
  },
  ...{ clipboard: true, drives: true, printers: true, smartCards: true, usb: false, microphone: true, camera: true },
  ...{ audio: 'local', reconnect: 'always' },
};

test('FreeRDP takes every setting that a connection can have, in the file and as arguments', async () => {
  const { file, args } = launchOf(everything);
  const path = join(scratch.folder, 'all.rdp');
  writeFileSync(path, file?.content ?? '');
  // Nobody listens at the gateway: it gives up by itself.
  assert.doesNotMatch(await freeRdpSays([path, ...args]), NOT_UNDERSTOOD);
  assert.match(await freeRdpSays([path, ...args, '/no-such-option']), NOT_UNDERSTOOD, 'it would say so');
});

test('FreeRDP 3 takes the same file and the same arguments', { timeout: 300_000 }, async t => {
  const command = await freeRdp3();
  if (typeof command === 'string') {
    console.error(command);
    t.skip(command);
    return;
  }
  const { file, args } = launchOf(everything);
  const path = join(scratch.folder, 'all-3.rdp');
  writeFileSync(path, file?.content ?? '');
  assert.doesNotMatch(await freeRdpSays([path, ...args], command), NOT_UNDERSTOOD);
  assert.match(await freeRdpSays([path, ...args, '/no-such-option'], command), NOT_UNDERSTOOD, 'it would say so');
  // With a password to come: it is asked for nothing.
  const plan = planOf({ ...everything, sso: true }, { user: 'alice', canSignOn: true });
  assert.ok(plan.kind === 'launch');
  assert.doesNotMatch(await freeRdpSays([path, ...plan.launch.args], command), NOT_UNDERSTOOD);
});

test('FreeRDP goes where the .rdp file alone says', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { file } = launchOf({ name: 'x', type: 'rdp', host: '127.0.0.1', port: address.port });
  const path = join(scratch.folder, 'where.rdp');
  writeFileSync(path, file?.content ?? '');
  const client = screen.show('freerdp', 'xfreerdp', path, '/u:alice', '/p:none');
  const [socket] = await once(server, 'connection');
  socket.destroy();
  await client.kill();
  server.close();
});

test('Chromium shows the page of a web connection over the whole screen', { timeout: 90_000 }, async () => {
  const server = createHttpServer((_request, response) =>
    response.end('<!doctype html><body style="margin:0;background:#208040"></body>'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const home = join(scratch.folder, 'browser');
  mkdirSync(home);
  // A browser is no program for root.
  const user = { uid: 65_534, gid: 65_534, name: 'nobody', home };
  if (process.getuid?.() === 0) {
    chmodSync(scratch.folder, 0o755);
    chownSync(home, user.uid, user.gid);
  }
  const start = createStartClient(systemClock, {
    display: screen.display,
    user,
    folder: openMemoryFolder(join(memory, 'run')),
  });
  const url = `http://127.0.0.1:${address.port}/`;
  const client = start(
    launchOf({ name: 'wiki', type: 'web', url, kiosk: true, private: true }),
    undefined,
    'a-session',
  );
  try {
    await waitFor(
      'the page on the screen',
      async () => ((await screen.picture()).share(0x20, 0x80, 0x40) > 0.9 ? true : undefined),
      60_000,
    );
  } finally {
    client.stop();
    await client.ended;
    server.closeAllConnections();
    server.close();
  }
});

test('ssh runs the command of a connection on a real sshd', async () => {
  const port = await freePort();
  const key = (name: string) => join(scratch.folder, name);
  for (const name of ['host-key', 'user-key'])
    await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key(name)]);
  const { stdout: publicKey } = await execute('ssh-keygen', ['-y', '-f', key('user-key')]);
  writeFileSync(key('authorized'), publicKey);
  const config = [`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${key('host-key')}`, 'StrictModes no'];
  const more = [
    `AuthorizedKeysFile ${key('authorized')}`,
    'PidFile none',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
  ];
  writeFileSync(key('sshd_config'), `${[...config, ...more].join('\n')}\n`);
  mkdirSync('/run/sshd', { recursive: true });
  const sshd = startProgram({
    name: 'sshd',
    command: [systemProgram('sshd'), '-D', '-e', '-f', key('sshd_config')],
    logs: join(scratch.folder, 'logs'),
  });
  try {
    const name = (await execute('id', ['-un'])).stdout.trim();
    const connection = {
      name: 's',
      type: 'ssh',
      host: '127.0.0.1',
      port,
      user: name,
      command: 'echo there-$((40 + 2))',
    } as const;
    const own = [
      '-F',
      '/dev/null',
      '-o',
      `UserKnownHostsFile=${key('known')}`,
      '-i',
      key('user-key'),
      '-o',
      'BatchMode=yes',
    ];
    const said = await waitFor('ssh to get through', () =>
      execute('ssh', [...own, ...sshArguments(connection)])
        .then(({ stdout }) => stdout)
        .catch(() => undefined),
    );
    assert.equal(said.trim(), 'there-42');
  } finally {
    await sshd.kill();
  }
});

const NOT_UNDERSTOOD = /Unexpected keyword|unexpected value|Failed at index|unknown protocol|invalid/i;

async function freeRdpSays(args: readonly string[], command: readonly string[] = ['xfreerdp']): Promise<string> {
  const [program = '', ...before] = command;
  const env = { ...process.env, PATH: SYSTEM_PATH, DISPLAY: screen.display, HOME: scratch.folder };
  // Version 3 does not end by itself while it waits for a password.
  const asked = execute(program, [...before, ...args], { env, timeout: 20_000, killSignal: 'SIGKILL' });
  asked.child.stdin?.on('error', () => {}).end('a-password\n');
  const said = await asked.catch(error => error);
  return `${said.stdout}${said.stderr}`;
}
