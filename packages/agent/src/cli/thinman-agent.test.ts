import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type AgentStatus,
  AgentStatus as AgentStatusSchema,
  type ConnectionStatus,
  type LoginResult,
  parseValue,
  SessionView,
} from '@thinman/protocol';
import type { LocalAgent } from '../local/local-agent.ts';
import { createLocalServers, type LocalServers } from '../local/local-servers.ts';
import { main } from './thinman-agent.ts';
import { describeDenial, describeGrant, describeSession, describeStatus, describeUnchanged } from './words.ts';

const MAIN = new URL('./thinman-agent.ts', import.meta.url).href;
const ENTRY = [
  '--conditions=source',
  '--input-type=module',
  '-e',
  `import { main } from '${MAIN}'; await main(['node', 'thinman-agent', ...process.argv.slice(1)]);`,
  '--',
];

const status: AgentStatus = {
  device: 'tc-1',
  mode: 'offline',
  server: null,
  servers: [
    { name: 'primary', url: 'https://thinman.example.org', role: 'primary', state: 'down', lastError: 'refused' },
  ],
  epoch: 1,
  generation: 4,
  session: { user: 'alice', mode: 'offline', since: 0 },
  pendingEvents: 2,
};
let now = status;
const granted: LoginResult = {
  verdict: 'granted',
  reason: null,
  mode: 'online',
  server: 'primary',
  user: 'alice',
  epoch: 1,
  generation: 4,
  elapsedMs: 5,
  profile: { connections: [{ name: 'ward', type: 'rdp', host: 'rds.example.org' }] },
};
const { profile: _profile, ...withoutProfile } = granted;
const denied: LoginResult = { ...withoutProfile, verdict: 'denied', reason: 'account_locked', retryAfterMs: 4_200 };

const ward: ConnectionStatus = { name: 'ward', type: 'rdp', autostart: true, state: 'open', why: null, fallback: null };
/** A helpdesk that knows one code. */
const emergencyAnswer: LocalAgent['emergency'] = (user, code) => {
  if (code === undefined) {
    const challenge = { device: 'tc-1', user, challenge: '12345678', expiresInMs: 900_000, triesLeft: 5 };
    return { kind: 'answer', answer: { state: 'challenge', ...challenge } };
  }
  if (code === 'ABCDE-FGHJK') return { kind: 'answer', answer: { state: 'accepted', user, hours: 8 } };
  return { kind: 'refused', code: 'emergency_invalid', detail: '4 more tries with this challenge' };
};

let dataDir: string;
let servers: LocalServers;
const asked: string[] = [];
before(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'thinman-cli-'));
  const agent: LocalAgent = {
    status: () => now,
    changePassword: async user => ({ changed: false, reason: 'primary_needed', user }),
    emergency: (user, code) => emergencyAnswer(user, code),
    login: async (user, password) => {
      asked.push(`${user}:${password}`);
      return password === 'right' ? granted : denied;
    },
    lock: () => void asked.push('lock'),
    unlock: async password => agent.login('alice', password),
    mayEnd: () => true,
    activity: isIdle => void asked.push(isIdle ? 'idle' : 'active'),
    logout: async () => {
      asked.push('logout');
    },
    session: () => ({
      user: 'alice',
      connections: [ward, { ...ward, name: 'old', state: 'failed', why: 'no client' }],
    }),
    connect: name => (['ward', 'old'].includes(name) ? 'done' : 'unknown'),
    disconnect: name => (name === 'ward' ? 'done' : 'unknown'),
    onChange: () => () => {},
  };
  servers = await createLocalServers({ dataDir, agent });
});
after(async () => {
  await servers.close();
  rmSync(dataDir, { recursive: true, force: true });
});

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

async function run(
  args: readonly string[],
  input: string | Uint8Array = '',
  command: readonly string[] = [process.execPath],
): Promise<Ended> {
  const [file = '', ...before] = command;
  const child = spawn(file, [...before, ...ENTRY, ...args]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  child.stdin.on('error', () => {}).end(input);
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

const login = (input: string | Uint8Array, ...more: readonly string[]) =>
  run(['login', '--data', dataDir, '--user', 'alice', '--password-stdin', ...more], input);

function assertOneLine(text: string): void {
  assert.match(text, /^[^\n]+\n$/);
}

describe('lock and unlock', () => {
  const unlock = (input: string, ...more: readonly string[]) =>
    run(['unlock', '--data', dataDir, '--password-stdin', ...more], input);

  test('say what a login says, with its exit codes', async () => {
    asked.length = 0;
    assert.deepEqual(await run(['lock', '--data', dataDir]), { code: 0, stdout: '', stderr: '' });
    const right = await unlock('right\n', '--json');
    assert.deepEqual([right.code, JSON.parse(right.stdout).verdict], [0, 'granted']);
    const wrong = await unlock('wrong\n');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^denied: /);
    assert.deepEqual(asked, ['lock', 'alice:right', 'alice:wrong']);
  });

  test('say that there is nothing to lock, which fails no hook', async () => {
    for (const [session, words] of [
      [null, /^nobody is signed in on this device: .*\n$/],
      [{ user: 'lobby', mode: 'online', since: 0, autologin: true }, /^this device has signed itself in .*\n$/],
    ] as const) {
      now = { ...status, session };
      const { code, stdout, stderr } = await run(['lock', '--data', dataDir]);
      now = status;
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, words);
    }
  });
});

describe('status', () => {
  test('as JSON is the contract’s object', async () => {
    const { code, stdout } = await run(['status', '--data', dataDir, '--json']);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), status);
    assert.ok(parseValue(AgentStatusSchema, JSON.parse(stdout)).ok);
  });

  test('for people names device, mode, session and each server', async () => {
    const { code, stdout } = await run(['status', '--data', dataDir]);
    assert.equal(code, 0);
    for (const word of ['tc-1', 'offline', 'alice', 'primary', 'refused', '2 waiting'])
      assert.ok(stdout.includes(word), word);
  });

  test('without an agent ends with 3, and says how to start one', async () => {
    const { code, stdout, stderr } = await run(['status', '--data', join(dataDir, 'nowhere'), '--json']);
    assert.equal(code, 3);
    assert.equal(stdout, '');
    assertOneLine(stderr);
    assert.match(stderr, /thinman-agent start/);
  });

  test('loads neither TLS, SQLite, ws nor the schemas', () => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ load: (url, context, next) => (process.stderr.write('loads ' + url + '\\n'), next(url, context)) });`;
    const args = [`--import=data:text/javascript,${encodeURIComponent(hook)}`, ...ENTRY, 'status', '--data', 'nowhere'];
    const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.match(stderr, /loads .*thinman-agent\.ts/);
    for (const heavy of ['typebox', 'better-sqlite3', '/ws/', '/adapters/', 'node:tls'])
      assert.ok(!stderr.includes(heavy), heavy);
  });
});

describe('emergency', () => {
  const emergency = (input: string, ...more: readonly string[]) =>
    run(['emergency', '--data', dataDir, '--user', 'alice', ...more], input);

  test('shows what is read out; the code comes from standard input', async () => {
    const shown = await emergency('');
    assert.equal(shown.code, 0);
    for (const word of ['tc-1', 'alice', '1234 5678', '15 min']) assert.ok(shown.stdout.includes(word), word);
    const taken = await emergency('ABCDE-FGHJK\n', '--code-stdin', '--json');
    assert.deepEqual([taken.code, JSON.parse(taken.stdout)], [0, { state: 'accepted', user: 'alice', hours: 8 }]);
  });

  test('a wrong code ends with 1, and says how many tries are left', async () => {
    const { code, stdout, stderr } = await emergency('AAAAA-AAAAA', '--code-stdin');
    assert.deepEqual([code, stdout], [1, '']);
    assertOneLine(stderr);
    assert.match(stderr, /4 more tries/);
  });
});

describe('login', () => {
  test('granted: 0, and the object as JSON', async () => {
    const { code, stdout } = await login('right', '--json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), granted);
  });

  test('granted, for people: who, by which server, and the connections', async () => {
    const { code, stdout } = await login('right');
    assert.equal(code, 0);
    for (const word of ['granted', 'alice', 'primary', 'ward']) assert.ok(stdout.includes(word), word);
  });

  test('denied: 1, and the object as JSON all the same', async () => {
    const { code, stdout } = await login('wrong', '--json');
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(stdout), denied);
  });

  test('denied, for people: one line with reason and wait', async () => {
    const { code, stdout, stderr } = await login('wrong');
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assertOneLine(stderr);
    assert.match(stderr, /account_locked/);
    assert.match(stderr, /5 s/);
  });

  test('one line end after the password is not part of it, everything else is', async () => {
    asked.length = 0;
    for (const typed of ['right\n', 'right\r\n', 'right', ' ri ght \n\n', 'pässwörd']) await login(typed);
    assert.deepEqual(asked, ['alice:right', 'alice:right', 'alice:right', 'alice: ri ght \n', 'alice:pässwörd']);
  });

  test('an empty password, one without end, or one that is not UTF-8, is wrong use, and nobody is asked', async () => {
    asked.length = 0;
    const latin1 = Buffer.from('pässword', 'latin1');
    for (const typed of ['', '\n', 'x'.repeat(2_000), 'x'.repeat(100_000), latin1]) {
      const { code, stderr } = await login(typed);
      assert.equal(code, 2);
      assertOneLine(stderr);
    }
    assert.deepEqual(asked, []);
  });

  test('without a terminal and without --password-stdin it is wrong use', async () => {
    const { code, stderr } = await run(['login', '--data', dataDir, '--user', 'alice'], 'right');
    assert.equal(code, 2);
    assert.match(stderr, /--password-stdin/);
  });

  test('typed on a terminal, the password does not show', t => {
    const args = [...ENTRY, 'login', '--data', dataDir, '--user', 'alice'];
    const quoted = [process.execPath, ...args].map(arg => `'${arg.replaceAll("'", "'\\''")}'`).join(' ');
    if (spawnSync('script', ['--version']).status !== 0) return t.skip('there is no `script` to make a terminal with');
    const child = spawn('script', ['-qec', quoted, '/dev/null']);
    let shown = '';
    child.stdout.on('data', chunk => {
      const first = !shown.includes('Password:');
      shown += chunk;
      // A letter too much, taken back.
      if (first && shown.includes('Password:')) child.stdin.write('rightx\u007f\r');
    });
    return once(child, 'close').then(() => {
      assert.match(shown, /granted: alice/);
      assert.ok(!shown.includes('right'), shown);
    });
  });

  test('a user who may not open the control socket logs in over the login socket', async t => {
    if (process.getuid?.() !== 0 || spawnSync('setpriv', ['--version']).status !== 0)
      return t.skip('needs root and setpriv');
    chmodSync(dataDir, 0o711);
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath];
    const args = ['login', '--data', dataDir, '--user', 'alice', '--password-stdin', '--json'];
    const logged = await run(args, 'right', nobody);
    if (/EACCES|ERR_MODULE_NOT_FOUND/.test(logged.stderr)) return t.skip('nobody may not read this checkout');
    assert.equal(logged.code, 0, logged.stderr);
    const told = await run(['status', '--data', dataDir], '', nobody);
    assert.equal(told.code, 3);
    assertOneLine(told.stderr);
  });
});

/** Between the five seconds of `status` and the minute of a login. */
const HUNG_TEST_MS = 25_000;

test('an agent that hangs is given five seconds to say its state', { timeout: HUNG_TEST_MS }, async () => {
  const hung = createServer(() => {});
  const folder = mkdtempSync(join(tmpdir(), 'thinman-cli-hung-'));
  await new Promise<void>(resolve => hung.listen(join(folder, 'control.sock'), resolve));
  try {
    const { code, stdout, stderr } = await run(['status', '--data', folder]);
    assert.deepEqual({ code, stdout }, { code: 3, stdout: '' });
    assert.match(stderr, /^thinman-agent: the agent on .* gives no answer: look at its log, or restart it\n$/);
  } finally {
    hung.closeAllConnections();
    await new Promise(resolve => hung.close(resolve));
    rmSync(folder, { recursive: true });
  }
});

test('what servers and people have named drives no terminal, and makes no line of its own', () => {
  const evil = '\u001b]0;x\u0007\n  ward  rdp  open\u202e';
  const connections = [{ ...ward, name: evil, why: evil }];
  const said = [
    describeGrant({
      ...granted,
      user: evil,
      warning: evil,
      profile: { connections: [{ name: evil, type: 'rdp', host: 'h' }] },
    }),
    describeDenial({ ...denied, reason: evil }),
    describeSession({ user: evil, connections }),
    describeStatus({ ...status, device: evil, session: { user: evil, mode: 'online', since: 0 } }),
    describeUnchanged({ changed: false, reason: evil, detail: evil, user: 'alice' }),
  ];
  for (const text of said) {
    assert.match(text, /\\u001b\]0;x\\u0007\\u000a {2}ward/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e]|^ {2}ward/m);
  }
});

test('session lists who works here and the connections, for people and as JSON', async () => {
  const { code, stdout } = await run(['session', '--data', dataDir, '--json']);
  const session = parseValue(SessionView, JSON.parse(stdout));
  assert.ok(code === 0 && session.ok);
  assert.deepEqual(
    session.value.connections.map(({ name, state }) => [name, state]),
    [
      ['ward', 'open'],
      ['old', 'failed'],
    ],
  );
  const words = await run(['session', '--data', dataDir]);
  assert.equal(words.stdout, 'alice\n  ward  rdp  open\n  old   rdp  failed (no client)\n');
});

test('connect and disconnect: 0, 2 for a name that nobody has, 4 where it cannot be opened', async () => {
  assert.equal((await run(['connect', 'ward', '--data', dataDir])).code, 0);
  assert.equal((await run(['disconnect', 'ward', '--data', dataDir])).code, 0);
  const unknown = await run(['connect', 'nothing', '--data', dataDir]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /thinman-agent session/);
  const failed = await run(['connect', 'old', '--data', dataDir]);
  assert.deepEqual([failed.code, failed.stderr], [4, 'thinman-agent: old cannot be opened: no client\n']);
});

test('logout ends with 0', async () => {
  asked.length = 0;
  assert.equal((await run(['logout', '--data', dataDir])).code, 0);
  assert.deepEqual(asked, ['logout']);
});

describe('wrong use ends with 2 and one line', () => {
  const wrong: readonly (readonly string[])[] = [
    ['dance'],
    ['status'],
    ['status', '--data'],
    ['status', '--data', 'x', '--what'],
    ['login', '--data', 'x', '--password-stdin'],
    ['login', '--data', 'x', '--user', '', '--password-stdin'],
    ['enroll', '--data', 'x'],
    ['start', '--data', 'x', '--greeter', 'everywhere'],
    ['start', '--data', 'x', '--greeter', '70800'],
    ['enroll', 'not-a-token', '--data', 'x'],
  ];
  for (const args of wrong) {
    test(args.join(' '), async t => {
      const written = t.mock.method(process.stderr, 'write', () => true);
      await main(['node', 'thinman-agent', ...args]);
      const { exitCode } = process;
      process.exitCode = undefined;
      assert.equal(exitCode, 2);
      assertOneLine(written.mock.calls.map(call => call.arguments[0]).join(''));
    });
  }

  for (const slip of [
    ['--password=bobs-secret'],
    ['-pbobs-secret'],
    ['bobs-secret'],
    ['--password-stdin=bobs-secret'],
  ]) {
    test(`a password that was typed into the command line (${slip}) is not said again`, async () => {
      const { code, stderr } = await run(['login', '--data', 'x', '--user', 'bob', ...slip]);
      assert.equal(code, 2);
      assertOneLine(stderr);
      assert.doesNotMatch(stderr, /bobs-secret/);
    });
  }

  test('start in a folder that is not enrolled says so', async () => {
    const { code, stderr } = await run(['start', '--data', join(dataDir, 'fresh')]);
    assert.equal(code, 2);
    assertOneLine(stderr);
    assert.match(stderr, /enroll/);
  });
});

test('help is printed on request, with 0', async () => {
  const { code, stdout } = await run(['--help']);
  assert.equal(code, 0);
  for (const command of ['enroll', 'start', 'status', 'login', 'logout']) assert.ok(stdout.includes(command), command);
});
