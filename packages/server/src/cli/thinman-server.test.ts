import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { parseJson, ServerStatus } from '@thinman/protocol';
import { freePort } from '../../../../test/support/loopback.ts';
import { waitFor } from '../../../../test/support/wait.ts';

const MAIN = new URL('./thinman-server.ts', import.meta.url).href;
const SOURCE = `import { main } from ${JSON.stringify(MAIN)}; await main(['node', 'thinman-server', ...process.argv.slice(1)]);`;

type Running = {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<number | null>;
};

let root: string;
let data: string;
let port: number;
const children = new Set<ChildProcess>();

function run(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Running {
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', SOURCE, '--', ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  children.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  child.stdin.end(options.input ?? '');
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

async function finish(args: readonly string[], input?: string) {
  const running = run(args, input === undefined ? {} : { input });
  const code = await running.ended;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

const initArgs = (folder = data) => [
  ...['init', '--data', folder, '--name', 'primary', '--listen', `127.0.0.1:${port}`],
  ...['--url', `https://127.0.0.1:${port}`],
];
const init = () => finish(initArgs());

async function startServer(env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const running = run(['start', '--data', data], { env });
  await waitFor('READY', () => (running.stdout().includes('READY') ? true : undefined), undefined, running.stderr);
  return running;
}

/** Exit code, nothing on stdout, one line on stderr that says this. */
async function refuses(code: number, args: readonly string[], says: RegExp) {
  const ended = await finish(args);
  assert.equal(ended.code, code, ended.stderr);
  assert.equal(ended.stdout, '');
  assert.match(ended.stderr, says);
  assert.equal(ended.stderr.trimEnd().split('\n').length, 1, ended.stderr);
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-cli-'));
  data = join(root, 'primary');
  port = await freePort();
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  children.clear();
  rmSync(root, { recursive: true });
});

describe('thinman-server init', () => {
  it('from a database URL that names no readable file is misuse; a database that is not there can be tried again', async () => {
    const url = (more: string) => ['--database', `mysql://thinman@127.0.0.1:${port}/thinman${more}`];
    const unreadable = await finish([...initArgs(), ...url(`?password-file=${join(root, 'none')}`)]);
    assert.equal(unreadable.code, 2);
    assert.match(unreadable.stderr, /^thinman-server: \S*none, .* cannot be read \(ENOENT\); write it, .*\n$/);
    const away = await finish([...initArgs(), ...url('')]);
    assert.equal(away.code, 4);
    assert.match(
      away.stderr,
      /^thinman-server: database thinman at .*; look whether it runs, .*; then run this again\n$/,
    );
    assert.equal(existsSync(join(data, 'server.json')), false);
  });

  it('prints the CA pin and the recovery code, and leaves ca.crt', async () => {
    const { code, stdout } = await finish([...initArgs(), '--admin-password-stdin'], 'an-administrators-password\n');
    assert.equal(code, 0);
    assert.match(stdout, /^CA pin +[A-Za-z0-9_-]{43}$/m);
    assert.match(stdout, /^recovery code +[0-9A-Z]{4}(-[0-9A-Z]{4}){6}$/m);
    assert.ok(existsSync(join(data, 'ca.crt')));
  });

  it('refuses a folder that has a site, a short password, and input that cannot be', async () => {
    await init();
    await refuses(2, initArgs(), /already/);
    await refuses(2, [...initArgs(join(root, 'x')), '--database', 'mysql://a:secret@b/c'], /needs TLS/);
    await refuses(2, [...initArgs(join(root, 'x')), '--admin-password-stdin'], /password/);
    await refuses(2, [...initArgs(join(root, 'x')), '--no-such-flag'], /no-such-flag/);
    await refuses(2, initArgs(join(root, 'x'.repeat(120))), /107/);
    await refuses(2, ['init', '--data', join(root, 'x')], /--name/);
    await refuses(2, ['no-such-command'], /no-such-command/);
  });
});

describe('thinman-server start', () => {
  it('says READY alone on stdout, answers status, and ends with 0 on SIGTERM', async () => {
    await init();
    const server = await startServer();
    assert.equal(server.stdout(), `READY https://127.0.0.1:${port} role=primary state=serving\n`);
    const status = await finish(['status', '--data', data, '--json']);
    assert.equal(status.code, 0, status.stderr);
    const parsed = parseJson(ServerStatus, status.stdout, 4096);
    assert.ok(parsed.ok && parsed.value.state === 'serving');
    assert.match((await finish(['status', '--data', data])).stdout, /primary \(primary\), serving/);
    server.child.kill('SIGTERM');
    assert.equal(await server.ended, 0);
    await refuses(3, ['status', '--data', data, '--json'], /thinman-server start/);
  });

  it('starts again after it was killed', async () => {
    await init();
    const server = await startServer();
    server.child.kill('SIGKILL');
    await server.ended;
    await startServer();
  });

  it('refuses a folder without a server, and one that another process uses', async () => {
    await refuses(2, ['start', '--data', join(root, 'nothing')], /thinman-server init/);
    await init();
    await startServer();
    await refuses(2, ['start', '--data', data], /in use/);
  });

  it('says that its port is taken', async () => {
    await init();
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    const ended = await finish(['start', '--data', data]);
    assert.equal(ended.code, 4);
    assert.match(ended.stderr, /in use by another process/);
    other.close();
  });

  it('stops when it is asked to drain, and drain returns after it has stopped', async () => {
    await init();
    const server = await startServer();
    const drain = await finish(['drain', '--data', data, '--json']);
    assert.equal(drain.code, 0, drain.stderr);
    assert.equal(JSON.parse(drain.stdout).state, 'draining');
    assert.equal(await server.ended, 0);
    await refuses(3, ['drain', '--data', data], /no server runs/);
  });

  it('waits for a request in flight, and not at all when it is asked twice', async () => {
    await init();
    const server = await startServer();
    // Whose certificate it is does not matter here: only that a request is under way.
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.on('error', () => {});
    socket.write('POST /v1/join HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{');
    await finish(['status', '--data', data]);
    server.child.kill('SIGTERM');
    await waitFor('the drain', () => (server.stderr().includes('a planned stop begins') ? true : undefined));
    assert.equal(server.child.exitCode, null);
    server.child.kill('SIGTERM');
    assert.equal(await server.ended, 4);
    socket.destroy();
  });

  it('tells systemd when it is ready and when it stops', async () => {
    await init();
    const bin = join(root, 'bin');
    const heard = join(root, 'heard');
    mkdirSync(bin);
    writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${heard}\n`);
    chmodSync(join(bin, 'systemd-notify'), 0o755);
    const server = await startServer({ NOTIFY_SOCKET: join(root, 'none'), PATH: `${bin}:${process.env.PATH}` });
    const words = () => (existsSync(heard) ? readFileSync(heard, 'utf8') : '');
    await waitFor('READY=1', () => (words().includes(`--pid=${server.child.pid} READY=1`) ? true : undefined));
    server.child.kill('SIGTERM');
    await server.ended;
    await waitFor('STOPPING=1', () => (words().includes('STOPPING=1') ? true : undefined));
  });
});
