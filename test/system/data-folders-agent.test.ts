import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/loopback.ts';
import { COMMANDS, type Finished } from '../support/processes.ts';
import { createScratch, type Scratch } from '../support/scratch.ts';
import { createServerCommands, type Server } from '../support/server-commands.ts';

/** `nobody` of Debian. */
const NOBODY_UID = 65_534;
const NO_ROOT = process.getuid?.() === 0 ? false : '!!! NOT RUN: needs root, to become nobody';
/** A folder in it can never be made, and the kernel says of it what it says of a parent that is missing. */
const NOWHERE = '/proc/thinman-nowhere';

describe("a device's data folder that cannot be used is told in one line", () => {
  let scratch: Scratch;
  let primary: Server;
  /** For one device: a refusal that has used it up would be seen. */
  let token: string;

  before(async () => {
    scratch = createScratch('thinman-folders-');
    const url = `https://127.0.0.1:${await freePort()}`;
    primary = createServerCommands(scratch.processes, 'primary', join(scratch.folder, 'primary'), url);
    const place = ['--listen', new URL(url).host, '--url', url];
    const made = await scratch.processes.run('thinman-server', [
      ...['init', '--data', primary.data, '--name', 'primary'],
      ...place,
    ]);
    assert.equal(made.code, 0, made.stderr);
    await primary.start();
    token = (await primary.administer(['token', 'device'])).trim();
  });
  after(() => scratch[Symbol.asyncDispose]());

  const enroll = (data: string) =>
    scratch.processes.run('thinman-agent', ['enroll', token, '--data', data, '--name', 'tc-1']);
  const start = (data: string) => scratch.processes.run('thinman-agent', ['start', '--data', data]);

  function refused({ code, stdout, stderr }: Pick<Finished, 'code' | 'stdout' | 'stderr'>, words: RegExp) {
    assert.match(stderr, words);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^thinman-agent: [^\n]+\n$/, 'one line');
    assert.equal(stdout, '');
  }

  test('where no folder can be made, and where a file lies', async () => {
    const file = join(scratch.folder, 'file');
    writeFileSync(file, '');
    refused(await enroll(NOWHERE), /thinman-nowhere cannot be used as a data folder \(ENOENT\); choose another --data/);
    refused(await enroll(file), /cannot be used as a data folder \(E[A-Z]+\); choose another --data/);
    refused(await enroll(join(file, 'below')), /cannot be used as a data folder \(E[A-Z]+\); choose another --data/);
    refused(await start(file), /cannot be used as a data folder \(ENOTDIR\); choose another --data/);
  });

  test('a mistyped folder is not made by starting there', async () => {
    const mistyped = join(scratch.folder, 'tc-l');
    refused(await start(mistyped), /is not enrolled: run `thinman-agent enroll/);
    refused(await start(NOWHERE), /is not enrolled: run `thinman-agent enroll/);
    assert.equal(existsSync(mistyped), false);
  });

  test('a path that is too long for a socket is refused before anything is made', async () => {
    const long = join(scratch.folder, 'x'.repeat(100));
    refused(
      await enroll(long),
      /control\.sock has \d+ bytes, and Linux allows 107: choose a data folder with a shorter/,
    );
    assert.equal(existsSync(long), false);
  });

  test("a server's folder: nothing is put into it", async () => {
    const identity = readdirSync(join(primary.data, 'identity'));
    refused(await enroll(primary.data), /is the data folder of a server: choose an empty folder with --data/);
    assert.deepEqual(readdirSync(join(primary.data, 'identity')), identity);
    assert.equal(existsSync(join(primary.data, 'applied')), false);
  });

  test('a folder of another user', { skip: NO_ROOT }, () => {
    // Nobody must reach the folder itself, and not be let in.
    const open = mkdtempSync(join(tmpdir(), 'thinman-nobody-'));
    chmodSync(open, 0o755);
    try {
      const closed = join(open, 'data');
      mkdirSync(closed, { mode: 0o700 });
      const env = { PATH: process.env.PATH, HOME: open };
      const asNobody = (...args: string[]) => {
        const options = { uid: NOBODY_UID, gid: NOBODY_UID, encoding: 'utf8', env } as const;
        const { status, ...said } = spawnSync(process.execPath, [COMMANDS['thinman-agent'], ...args], options);
        return { ...said, code: status };
      };
      const words = /cannot be used \(EACCES\); run as the user that owns it/;
      refused(asNobody('enroll', token, '--data', closed), words);
      refused(asNobody('enroll', token, '--data', join(open, 'new')), words);
      refused(asNobody('start', '--data', closed), words);
      assert.deepEqual(readdirSync(closed), []);
    } finally {
      rmSync(open, { recursive: true });
    }
  });

  test('and none of this has used the token, nor does a second agent touch the folder of the first', async () => {
    const data = join(scratch.folder, 'tc-1');
    const enrolled = await enroll(data);
    assert.equal(enrolled.code, 0, enrolled.stderr);
    const first = scratch.processes.start('tc-1', 'thinman-agent', ['start', '--data', data]);
    await first.waitForLine(/^READY /);
    refused(await start(data), /another agent uses .*: stop it, or choose another --data/);
    refused(await enroll(data), /another agent uses .*: stop it, or choose another --data/);
    const status = await scratch.processes.run('thinman-agent', ['status', '--data', data, '--json']);
    assert.equal(status.code, 0, 'the first one answers as before');
    assert.equal((await first.stop()).code, 0);
    refused(await enroll(data), /is enrolled already, as tc-1/);
  });

  const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
    'a pipe': path => void spawnSync('mkfifo', [path]),
    'a folder': path => mkdirSync(join(path, 'more'), { recursive: true }),
    'a link that leads nowhere': path => symlinkSync(join(path, 'nowhere'), path),
    'a gigabyte': path => {
      writeFileSync(path, '');
      truncateSync(path, 2 ** 30);
    },
    garbage: path => writeFileSync(path, '{"boot":\u0000garbage'),
  };
  /** Lost, each of them costs no more than a moment. */
  const OF_NO_MOMENT = ['lock', 'files', 'session.json', 'server-addresses.json', 'apply-state.json'] as const;

  test('whatever lies in the place of a file that may be lost, the agent starts, and says what is to be moved away', async () => {
    const data = join(scratch.folder, 'tc-1');
    for (const [what, damage] of Object.entries(DAMAGES)) {
      for (const file of OF_NO_MOMENT) {
        rmSync(join(data, file), { recursive: true, force: true });
        damage(join(data, file));
      }
      const agent = scratch.processes.start('tc-1', 'thinman-agent', ['start', '--data', data]);
      await agent.waitForLine(/^READY mode=online server=primary$/);
      const { code, stderr } = await agent.stop();
      assert.equal(code, 0, what);
      const told = /^(?:a pipe|a folder|a gigabyte)$/.test(what);
      for (const file of OF_NO_MOMENT.filter(name => name.endsWith('.json'))) {
        const words = new RegExp(`${file.replace('.', '\\.')} is [^\\n]+: move it away`);
        if (told) assert.match(stderr, words, what);
        else assert.doesNotMatch(stderr, words, what);
      }
    }
    for (const file of OF_NO_MOMENT) rmSync(join(data, file), { recursive: true, force: true });
  });

  test('in the place of a file without which it is no device it starts not, and says so in one line, at once', async () => {
    const data = join(scratch.folder, 'tc-1');
    for (const [file, exitCode, words] of [
      ['local.json', 2, /local\.json is not a file: mend it or remove it/],
      ['identity/device.json', 4, /the identity in .+ cannot be used: device\.json is not a file; restore that folder/],
      ['identity/statement.json', 4, /the identity in .+ cannot be used: statement\.json is not a file; restore/],
      ['identity/device.secret', 4, /the identity in .+ cannot be used: device\.secret is not a file; restore/],
      ['control.sock', 2, /control\.sock is in the way and is not a socket: move it away/],
    ] as const) {
      const path = join(data, file);
      const kept = `${path}.kept`;
      if (existsSync(path)) renameSync(path, kept);
      DAMAGES[file === 'control.sock' ? 'a link that leads nowhere' : 'a pipe']?.(path);
      const { code, stderr, stdout } = await start(data);
      assert.match(stderr, words);
      assert.match(stderr, /^thinman-agent: [^\n]+\n$/, 'one line');
      assert.deepEqual([code, stdout], [exitCode, ''], stderr);
      rmSync(path);
      if (existsSync(kept)) renameSync(kept, path);
    }
    const agent = scratch.processes.start('tc-1', 'thinman-agent', ['start', '--data', data]);
    await agent.waitForLine(/^READY mode=online/);
    assert.equal((await agent.stop()).code, 0);
  });
});
