import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Database from 'better-sqlite3';
import { freePort } from '../support/loopback.ts';
import { COMMANDS, type Finished } from '../support/processes.ts';
import { createScratch, type Scratch } from '../support/scratch.ts';
import { ADMIN_PASSWORD } from '../support/site.ts';

/** `nobody` of Debian. */
const NOBODY_UID = 65_534;
/** Room for the files of a server, and none to spare: `init` needs some 300 kB. */
const SMALL_DISK_BYTES = 64 * 1024;

const isRoot = process.getuid?.() === 0;

describe('a data folder that cannot be used is told in one line', () => {
  let scratch: Scratch;
  let data: string;
  before(async () => {
    scratch = createScratch('thinman-folders-');
    data = join(scratch.folder, 'primary');
    const made = await init(data);
    assert.equal(made.code, 0, made.stderr);
  });
  after(() => scratch[Symbol.asyncDispose]());

  async function init(folder: string): Promise<Finished> {
    const port = await freePort();
    const place = ['--listen', `127.0.0.1:${port}`, '--url', `https://127.0.0.1:${port}`];
    const args = ['init', '--data', folder, '--name', 'primary', ...place, '--admin-password-stdin'];
    return scratch.processes.run('thinman-server', args, { input: ADMIN_PASSWORD });
  }
  const start = (folder = data) => scratch.processes.run('thinman-server', ['start', '--data', folder]);

  function refused(
    { code, stdout, stderr }: Pick<Finished, 'code' | 'stdout' | 'stderr'>,
    exit: number,
    words: RegExp,
  ) {
    assert.match(stderr, words);
    assert.equal(code, exit, stderr);
    assert.match(stderr, /^thinman-(?:server|agent): [^\n]+\n$/, 'one line');
    assert.equal(stdout, '');
  }

  test('server.json of a newer version', async () => {
    const file = join(data, 'server.json');
    const whole = readFileSync(file, 'utf8');
    const newer = JSON.stringify({ ...JSON.parse(whole), format: 99, unheardOf: true });
    writeFileSync(file, newer);
    refused(await start(), 2, /server\.json was written by a newer version of ThinMan; install that version again/);
    assert.equal(readFileSync(file, 'utf8'), newer);
    writeFileSync(file, whole);
  });

  test('device.json of a newer version', async () => {
    const folder = join(scratch.folder, 'tc-1');
    mkdirSync(join(folder, 'identity'), { recursive: true });
    writeFileSync(join(folder, 'identity', 'device.json'), JSON.stringify({ format: 2, unheardOf: true }));
    const agent = await scratch.processes.run('thinman-agent', ['start', '--data', folder]);
    refused(agent, 2, /device\.json was written by a newer version of ThinMan; install that version again/);
  });

  test('a journal of a newer version: its events stay where they are', async () => {
    const file = join(data, 'journal.db');
    /** Gives what it was. */
    const setVersion = (version: number) => {
      const handle = new Database(file);
      const was = Number(handle.pragma('user_version', { simple: true }));
      handle.pragma(`user_version = ${version}`);
      handle.close();
      return was;
    };
    await startAndStop();
    const was = setVersion(99);
    refused(await start(), 2, /journal\.db was written by a newer version of ThinMan; install that version again/);
    assert.deepEqual(
      readdirSync(data).filter(name => name.includes('set-aside')),
      [],
    );
    setVersion(was);
  });

  test('a database of a newer version: logins go on, administration says what to do', async () => {
    await startAndStop();
    const was = setSchema(99);
    const server = scratch.processes.start('primary', 'thinman-server', ['start', '--data', data]);
    assert.match(await server.waitForLine(/^READY /), / state=degraded$/);
    assert.match(server.stderr(), /has schema 99, this server reads up to \d+: update this server/);
    const write = await scratch.processes.run('thinman', ['apply', '-f', '-', '--data', data], {
      input: '{ kind: DeviceGroup, name: ward-1, body: {} }',
    });
    assert.match(write.stderr, /^thinman: [^\n]*database[^\n]*update this server[^\n]*\n$/);
    assert.equal(write.code, 4);
    assert.equal((await server.stop()).code, 0);
    assert.equal(setSchema(was), 99, 'nothing was done to it');
  });

  /** Gives what it was. */
  function setSchema(schema: number): number {
    const handle = new Database(join(data, 'site.db'));
    const was = handle.prepare<[], number>('SELECT schema FROM site').pluck().get() ?? 0;
    handle.prepare('UPDATE site SET schema = ?').run(schema);
    handle.close();
    return was;
  }

  test('a folder in use by another process', async () => {
    const running = scratch.processes.start('primary', 'thinman-server', ['start', '--data', data]);
    await running.waitForLine(/^READY /);
    refused(await start(), 2, /is in use by another process/);
    assert.ok(running.isRunning());
    assert.equal((await running.stop()).code, 0);
  });

  test('a replica of another site: it is set aside, and the server serves its own', async () => {
    const other = join(scratch.folder, 'other');
    assert.equal((await init(other)).code, 0);
    await startAndStop(other);
    copyFileSync(join(other, 'replica.db'), join(data, 'replica.db'));
    const { stderr } = await startAndStop();
    assert.match(stderr, /"why":"other_site"/);
    const aside = readdirSync(data).filter(name => /^replica\.db\.set-aside-\d+$/.test(name));
    assert.equal(aside.length, 1);
  });

  test('server.json of another site: nothing is set aside for it', async () => {
    const other = join(scratch.folder, 'other');
    assert.ok(existsSync(other), 'made by the test before');
    const file = join(data, 'server.json');
    const own = readFileSync(file);
    const files = readdirSync(data).toSorted();
    copyFileSync(join(other, 'server.json'), file);
    refused(await start(), 2, /server\.json in .* is of the site .*: put the server\.json back that belongs there/);
    writeFileSync(file, own);
    assert.deepEqual(readdirSync(data).toSorted(), files);
    await startAndStop();
  });

  test('a folder in the place of admin.sock', async () => {
    const socket = join(data, 'admin.sock');
    rmSync(socket, { force: true });
    mkdirSync(socket);
    refused(await start(), 2, /admin\.sock is in the way and is not a socket: move it away/);
    rmSync(socket, { recursive: true });
  });

  test('a folder of another user', { skip: isRoot ? false : '!!! NOT RUN: needs root, to become nobody' }, () => {
    // Nobody must reach the folder itself, and not be let in.
    const open = mkdtempSync(join(tmpdir(), 'thinman-nobody-'));
    chmodSync(open, 0o755);
    try {
      const closed = join(open, 'data');
      mkdirSync(closed, { mode: 0o700 });
      const asNobody = (command: keyof typeof COMMANDS) =>
        spawnSync(process.execPath, [COMMANDS[command], 'start', '--data', closed], {
          uid: NOBODY_UID,
          gid: NOBODY_UID,
          encoding: 'utf8',
          env: { PATH: process.env.PATH, HOME: open },
        });
      const { status, stdout, stderr } = asNobody('thinman-server');
      refused({ code: status, stdout, stderr }, 2, /cannot be read \(EACCES\); run as the user that owns it/);
      const agent = asNobody('thinman-agent');
      refused({ ...agent, code: agent.status }, 2, /cannot be used \(EACCES\); run as the user that owns it/);
    } finally {
      rmSync(open, { recursive: true });
    }
  });

  test('where no folder can be made, and a path that is too long for a socket', async () => {
    refused(
      await init('/proc/thinman-nowhere'),
      2,
      /cannot be used as a data folder \(ENOENT\); choose one that you may/,
    );
    refused(
      await init(join(data, 'server.json')),
      2,
      /cannot be used as a data folder \(EEXIST\); choose one that you may/,
    );
    const long = join(scratch.folder, 'x'.repeat(100));
    refused(await init(long), 2, /the path of the data folder is too long: .*; choose a shorter one/);
    refused(await start(long), 2, /the path of the data folder is too long: .*; choose a shorter one/);
    assert.equal(existsSync(long), false);
  });

  test('a full disk', async t => {
    const disk = join(scratch.folder, 'disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES}`, 'tmpfs', disk]);
    if (mounted.status !== 0) return t.skip('!!! NOT RUN: a tmpfs may not be mounted here');
    try {
      refused(await init(join(disk, 'primary')), 4, /disk .*is full; make room and try again/);
      assert.equal(existsSync(join(disk, 'primary')), false, 'nothing that looks like a server');
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  async function startAndStop(folder = data): Promise<Finished> {
    const running = scratch.processes.start(`run-${folder.length}`, 'thinman-server', ['start', '--data', folder]);
    await running.waitForLine(/^READY /);
    return running.stop();
  }
});
