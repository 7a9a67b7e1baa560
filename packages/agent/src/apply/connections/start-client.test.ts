import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { waitFor } from '../../../../../test/support/wait.ts';
import { systemClock } from '../../adapters/clock.ts';
import { FILE, type Launch } from '../launchers/launch.ts';
import { killMarked } from '../marked-processes.ts';
import { openMemoryFolder } from '../memory-folder.ts';
import { CONNECTIONS_MARK, createStartClient } from './start-client.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-client-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function program(name: string, script: string): string {
  const path = join(dir, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}
const said = () => readFileSync(join(dir, 'said'), 'utf8');
const ODD = ['a b', "it's", '$(touch /dev/null/x)', '', '"quoted"', '--store'] as const;
const tell = (who: string) => `for word; do echo "${who}:$word" >> '${'$'}{0%/*}/said'; done`.replaceAll("'", '"');

const start = (launch: Partial<Launch> & Pick<Launch, 'programs'>, password?: string) =>
  createStartClient(systemClock, { display: ':99' })(
    { args: [], password: 'none', exits: {}, ...launch },
    password === undefined ? undefined : Buffer.from(password),
    'of-this-session',
  );

test('what has to be done first is done first, with its own words; then the client has its own, and its password', async () => {
  const first = program('first', `${tell('first')}; cat >> "${'$'}{0%/*}/said"; exit 3`);
  const client = program('client', `${tell('client')}; cat >> "${'$'}{0%/*}/said"; exit 7`);
  const { ended } = start(
    {
      programs: [client],
      args: ODD,
      password: 'stdin',
      exits: { 7: 'refused' },
      first: { programs: ['/nowhere', first], args: ODD },
    },
    'secret',
  );
  assert.equal((await ended).kind, 'refused', 'the exit code is that of the client');
  const words = (who: string) => ODD.map(word => `${who}:${word}\n`).join('');
  assert.equal(said(), `${words('first')}${words('client')}secret\n`);
});

test('where the first program is not there the client is started all the same', async () => {
  const client = program('client', tell('client'));
  const { ended } = start({ programs: [client], args: ['x'], first: { programs: ['/nowhere'], args: ['y'] } });
  assert.deepEqual(await ended, { kind: 'ended' });
  assert.equal(said(), 'client:x\n');
});

test('what runs first fills the file of the client; without it the client is not started', {
  skip: !existsSync('/dev/shm'),
}, async () => {
  const memory = mkdtempSync('/dev/shm/thinman-client-');
  try {
    const first = program('first', 'echo "of the session" > "$2"');
    const client = program('client', `cat "$1" > "${'$'}{0%/*}/said"`);
    const startIn = createStartClient(systemClock, { display: ':99', folder: openMemoryFolder(join(memory, 'run')) });
    const launch = (programs: readonly string[]): Launch => ({
      ...{ programs: [client], args: [], password: 'none', exits: {} },
      file: { name: 'session.ica', content: '' },
      first: { programs, args: ['--output', FILE], isNeeded: true },
    });
    assert.deepEqual(await startIn(launch([first]), undefined, 's').ended, { kind: 'ended' });
    assert.equal(said(), 'of the session\n');
    const end = await startIn(launch(['/nowhere']), undefined, 's').ended;
    assert.equal(end.kind === 'unfit' && end.why, 'none of /nowhere is on this device: install one of them');
  } finally {
    rmSync(memory, { recursive: true, force: true });
  }
});

test('both end when the connection is closed', async () => {
  const first = program('first', `echo "$$" > "${'$'}{0%/*}/said"; exec sleep 1000`);
  const client = program('client', tell('client'));
  const running = start({ programs: [client], args: ['x'], first: { programs: [first], args: [] } });
  const pid = await waitFor('it to run', () => {
    try {
      return Number(said()) || undefined;
    } catch {
      return undefined;
    }
  });
  running.stop();
  await running.ended;
  await waitFor('it to be gone', () => {
    try {
      process.kill(pid, 0);
      return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) ? true : undefined;
    } catch {
      return true;
    }
  });
  assert.equal(said().includes('client'), false);
});

test('what cannot be started is told, whatever the system says of it, and leaves no file', {
  skip: !existsSync('/dev/shm'),
}, async () => {
  const memory = mkdtempSync('/dev/shm/thinman-client-');
  try {
    const client = program('client', 'exit 0');
    const notAFolder = { uid: process.getuid?.() ?? 0, gid: 0, name: 'x', home: client };
    const launch: Launch = {
      ...{ programs: [client], args: [], password: 'none', exits: {} },
      file: { name: 'connection.rdp', content: '' },
    };
    const folder = openMemoryFolder(join(memory, 'run'));
    const whyOf = async (given: Launch, user?: typeof notAFolder) => {
      const { ended } = createStartClient(systemClock, { display: ':99', folder, user })(given, undefined, 's');
      const end = await ended;
      return end.kind === 'unfit' && end.why;
    };
    assert.equal(await whyOf({ ...launch, args: ['x'.repeat(200_000)] }), `${client} cannot be started (E2BIG)`);
    assert.equal(await whyOf(launch, notAFolder), `${client} cannot be started (ENOTDIR)`);
    assert.deepEqual(readdirSync(join(memory, 'run')), []);
  } finally {
    rmSync(memory, { recursive: true, force: true });
  }
});

test('what a client has left behind is found by its session', async () => {
  const client = program(
    'client',
    `setsid sh -c 'echo $$ > ${dir}/said; exec sleep 1000' > /dev/null 2>&1 &
while [ ! -s ${dir}/said ]; do :; done`,
  );
  assert.deepEqual(await start({ programs: [client] }).ended, { kind: 'ended' });
  const left = Number(said());
  killMarked(CONNECTIONS_MARK, 'of-another-session');
  assert.ok(isAlive(left));
  killMarked(CONNECTIONS_MARK, 'of-this-session');
  await waitFor('it to be gone', () => (isAlive(left) ? undefined : true));
});

const NOBODY = { uid: 65_534, gid: 65_534, name: 'nobody', home: '/' };

test('a client of another user reads its file, and can put nothing in the place of one', {
  skip: process.getuid?.() !== 0 || !existsSync('/dev/shm'),
}, async () => {
  const memory = mkdtempSync('/dev/shm/thinman-client-');
  try {
    chmodSync(memory, 0o755);
    chmodSync(dir, 0o777);
    const run = join(memory, 'run');
    const client = program(
      'client',
      `{ id -u; cat "$1"; ln -s /etc/shadow ${run}/2-connection.rdp || mv ${run} ${run}2 || rm "$1" || echo no; } > ${dir}/said 2> /dev/null`,
    );
    const folder = openMemoryFolder(run, { owner: NOBODY });
    const startAs = createStartClient(systemClock, { display: ':99', folder, user: NOBODY });
    const launch: Launch = {
      ...{ programs: [client], args: [], password: 'none', exits: {} },
      file: { name: 'connection.rdp', content: 'of alice\n' },
    };
    assert.deepEqual(await startAs(launch, undefined, 's').ended, { kind: 'ended' });
    assert.equal(said(), '65534\nof alice\nno\n');
    const { uid, mode } = statSync(run);
    assert.deepEqual([uid, mode & 0o777], [0, 0o710]);
  } finally {
    rmSync(memory, { recursive: true, force: true });
  }
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
