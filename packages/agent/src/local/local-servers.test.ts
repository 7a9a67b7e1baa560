import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type AgentStatus, type LoginResult, MAX_LOCAL_BODY_BYTES } from '@thinman/protocol';
import { waitFor } from '../../../../test/support/wait.ts';
import type { LocalAgent } from './local-agent.ts';
import { createLocalServers, type LocalServers } from './local-servers.ts';
import { SocketUnusable } from './unix-socket.ts';

const status: AgentStatus = {
  device: 'tc-1',
  mode: 'online',
  server: { name: 'primary', url: 'https://thinman.example.org', role: 'primary', state: 'serving' },
  servers: [
    { name: 'primary', url: 'https://thinman.example.org', role: 'primary', state: 'serving', lastError: null },
  ],
  epoch: 1,
  generation: 4,
  session: null,
  pendingEvents: 0,
};

const granted: LoginResult = {
  verdict: 'granted',
  reason: null,
  mode: 'online',
  server: 'primary',
  user: 'alice',
  epoch: 1,
  generation: 4,
  elapsedMs: 5,
  profile: { connections: [] },
};
const denied: LoginResult = { ...granted, verdict: 'denied', reason: 'credentials_invalid' };

type FakeAgent = LocalAgent & {
  now: AgentStatus;
  readonly asked: string[];
  readonly listeners: Set<() => void>;
  login: LocalAgent['login'];
  change(next: Partial<AgentStatus>): void;
};

/** An agent that grants the right password, and tells what it was asked. */
function fakeAgent(): FakeAgent {
  const listeners = new Set<() => void>();
  const agent: FakeAgent = {
    now: status,
    asked: [],
    change(next: Partial<AgentStatus>) {
      agent.now = { ...agent.now, ...next };
      for (const listener of listeners) listener();
    },
    listeners,
    status: () => agent.now,
    changePassword: async user => ({ changed: false, reason: 'primary_needed', user }),
    emergency: () => ({ kind: 'refused', code: 'emergency_invalid' }),
    login: async (user: string, password: string) => {
      agent.asked.push(`login ${user}`);
      return password === 'right' ? granted : denied;
    },
    lock: () => void agent.asked.push('lock'),
    unlock: async password => (agent.now.session === null ? undefined : agent.login(agent.now.session.user, password)),
    mayEnd: () => true,
    activity: isIdle => void agent.asked.push(isIdle ? 'idle' : 'active'),
    logout: async () => {
      agent.asked.push('logout');
    },
    session: () => ({ user: null, connections: [] }),
    connect: () => 'unknown',
    disconnect: () => 'unknown',
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return agent;
}

let dataDir: string;
let agent: FakeAgent;
let servers: LocalServers;
let nowMs = 0;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'thinman-local-'));
  agent = fakeAgent();
  nowMs = 1_000;
  servers = await createLocalServers({ dataDir, agent, nowMs: () => nowMs });
});
afterEach(async () => {
  await servers.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const control = () => join(dataDir, 'control.sock');
const login = () => join(dataDir, 'login.sock');

type Answer = { readonly status: number; readonly body: { readonly [key: string]: unknown } };

async function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
  type = 'application/json',
): Promise<Answer> {
  const sent = request({
    socketPath,
    method,
    path,
    agent: false,
    headers: body === undefined ? {} : { 'content-type': type },
  });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, body: JSON.parse(text) };
}

const tryLogin = (socket: string, password: string, user = 'alice') =>
  ask(socket, 'POST', '/v1/login', JSON.stringify({ user, password }));

test('the control socket is closed to others, the login socket is open to all', () => {
  assert.equal(statSync(control()).mode & 0o777, 0o600);
  assert.equal(statSync(login()).mode & 0o777, 0o666);
});

test('the control socket tells everything, logs in and out', async () => {
  assert.deepEqual((await ask(control(), 'GET', '/v1/status')).body, status);
  assert.deepEqual((await tryLogin(control(), 'right')).body, granted);
  assert.deepEqual((await tryLogin(control(), 'wrong')).body, denied);
  assert.equal((await ask(control(), 'POST', '/v1/logout')).status, 200);
  assert.deepEqual(agent.asked, ['login alice', 'login alice', 'logout']);
});

test('what a server warns of is one line to PAM, and drives no terminal', async () => {
  agent.login = async () => ({ ...granted, warning: '\u001b[2Jexpires\nsoon' });
  const sent = request({ socketPath: control(), method: 'POST', path: '/v1/pam', agent: false });
  sent
    .setHeader('content-type', 'application/json')
    .end(JSON.stringify({ type: 'auth', user: 'nobody-here', password: 'right' }));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.deepEqual([response.statusCode, await text(response)], [200, '\\u001b[2Jexpires\\u000asoon']);
});

test('whether the device is used is heard on both sockets', async () => {
  assert.equal((await ask(login(), 'POST', '/v1/activity', JSON.stringify({ idle: true }))).status, 200);
  assert.equal((await ask(control(), 'POST', '/v1/activity', JSON.stringify({ idle: false }))).status, 200);
  assert.equal((await ask(login(), 'POST', '/v1/activity', JSON.stringify({ idle: 'perhaps' }))).status, 400);
  assert.deepEqual(agent.asked, ['idle', 'active']);
});

test('a screen is locked and unlocked on both sockets, by the password alone; locked, nothing is opened', async () => {
  const unlock = (socket: string, password: string) => ask(socket, 'POST', '/v1/unlock', JSON.stringify({ password }));
  assert.equal((await unlock(login(), 'right')).status, 404, 'nobody is signed in');
  const lock = async () => (await ask(login(), 'POST', '/v1/lock')).body;
  assert.deepEqual(await lock(), { locked: false, why: 'nobody' });
  const session = { user: 'alice', mode: 'online', since: 1 } as const;
  agent.change({ session: { ...session, autologin: true } });
  assert.deepEqual(await lock(), { locked: false, why: 'kiosk' });
  agent.change({ session });
  assert.deepEqual(await lock(), { locked: true });
  agent.asked.length = 0;
  agent.change({ session: { ...session, locked: true } });
  for (const socket of [login(), control()]) {
    assert.equal((await ask(socket, 'POST', '/v1/lock')).status, 200);
    assert.deepEqual((await unlock(socket, 'wrong')).body, denied);
    assert.deepEqual((await unlock(socket, 'right')).body, granted);
    assert.equal((await ask(socket, 'POST', '/v1/unlock', '{"user":"bob","password":"right"}')).status, 400);
  }
  assert.deepEqual(agent.asked, ['lock', 'login alice', 'login alice', 'lock', 'login alice', 'login alice']);
  const connect = () => ask(control(), 'POST', '/v1/session/connect', JSON.stringify({ name: 'ward' }));
  assert.equal((await connect()).status, 403);
  agent.change({ session });
  assert.notEqual((await connect()).status, 403);
  for (let n = 0; n < 9; n++) await unlock(login(), 'wrong');
  assert.equal((await unlock(login(), 'right')).status, 429, 'they count like any wrong password');
});

test('the login socket logs in, tells no server, and ends no session', async () => {
  assert.deepEqual((await tryLogin(login(), 'right')).body, granted);
  assert.deepEqual((await ask(login(), 'GET', '/v1/status')).body, { device: 'tc-1', mode: 'online', session: null });
  assert.equal((await ask(login(), 'POST', '/v1/logout')).status, 404);
  assert.deepEqual(agent.asked, ['login alice']);
});

describe('a request of a wrong form is refused with a reason, and the agent is not asked', () => {
  const wrong: readonly [what: string, status: number, body: string, type?: string][] = [
    ['not JSON', 400, 'user=alice'],
    ['a missing password', 400, '{"user":"alice"}'],
    ['an empty password', 400, '{"user":"alice","password":""}'],
    ['a field too many', 400, '{"user":"alice","password":"canary-word","admin":true}'],
    ['a form, as a web page could send it', 415, 'user=alice', 'application/x-www-form-urlencoded'],
    ['plain text', 415, '{"user":"alice","password":"canary-word"}', 'text/plain'],
    ['too much', 413, JSON.stringify({ user: 'alice', password: 'x'.repeat(MAX_LOCAL_BODY_BYTES) })],
  ];
  for (const [what, code, body, type] of wrong) {
    test(what, async () => {
      const answer = await ask(control(), 'POST', '/v1/login', body, type);
      assert.equal(answer.status, code);
      assert.equal(answer.body.status, code);
      assert.ok(!JSON.stringify(answer.body).includes('canary'));
      assert.deepEqual(agent.asked, []);
    });
  }

  test('an unknown path, and a wrong method', async () => {
    assert.equal((await ask(control(), 'GET', '/v1/nothing')).status, 404);
    assert.equal((await ask(control(), 'GET', '/v1/login')).status, 404);
  });
});

describe('the limit of the login socket', () => {
  test('counts failures alone, tells how long to wait, and passes', async () => {
    for (let n = 0; n < 30; n++) assert.equal((await tryLogin(login(), 'right')).status, 200);
    for (let n = 0; n < 10; n++) assert.equal((await tryLogin(login(), 'wrong')).status, 200);
    const refused = await tryLogin(login(), 'right');
    assert.equal(refused.status, 429);
    assert.equal(refused.body.retryAfterMs, 60_000);
    assert.equal((await tryLogin(control(), 'right')).status, 200);
    nowMs += 60_000;
    assert.equal((await tryLogin(login(), 'right')).status, 200);
  });

  test('leaves the screen half of the failures that servers let a device have in an hour', async () => {
    const tryAll = async () => {
      let failed = 0;
      for (let minute = 0; minute < 59; minute++, nowMs += 60_000) {
        while ((await tryLogin(login(), 'wrong')).status === 200) failed += 1;
      }
      return failed;
    };
    // Of 30, and of 20 names (`core/lockout.ts` of the server).
    assert.equal(await tryAll(), 15);
    assert.equal((await tryLogin(control(), 'right')).status, 200);
    const { body } = await tryLogin(login(), 'right');
    assert.equal(body.retryAfterMs, 60_000);
    nowMs += 60_000;
    assert.equal((await tryLogin(login(), 'right')).status, 200);
  });

  test('is not slipped through by many at once', async () => {
    let release = () => {};
    const gate = new Promise<void>(resolve => {
      release = resolve;
    });
    agent.login = async user => {
      agent.asked.push(`login ${user}`);
      await gate;
      return denied;
    };
    const tries = Array.from({ length: 30 }, () => tryLogin(login(), 'wrong'));
    const refused = await Promise.race(tries);
    assert.equal(refused.status, 429);
    release();
    const all = await Promise.all(tries);
    assert.equal(all.filter(answer => answer.status === 200).length, 10);
    assert.equal(agent.asked.length, 10);
  });
});

test('strangers who hold connections to the login socket keep nobody from logging in', async () => {
  const begun = 'POST /v1/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{';
  const strangers = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      const socket = connect(login()).on('error', () => {});
      await once(socket, 'connect');
      if (n % 2 === 0) socket.write(begun);
      return socket;
    }),
  );
  assert.deepEqual((await tryLogin(login(), 'right')).body, granted);
  for (const socket of strangers) socket.destroy();
});

describe('the event stream', () => {
  async function listenTo(socketPath: string) {
    const sent = request({ socketPath, path: '/v1/events', agent: false });
    sent.on('error', () => {});
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const events: { readonly [key: string]: unknown }[] = [];
    let text = '';
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('data', chunk => {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) events.push(JSON.parse(part.replace('event: state\ndata: ', '')));
    });
    return { status: response.statusCode, events, stop: () => sent.destroy() };
  }

  test('tells the state at once and after every change of it, and no more than the socket may', async () => {
    const full = await listenTo(control());
    const open = await listenTo(login());
    agent.change({ mode: 'offline', server: null });
    await waitFor('both to hear of it', () =>
      full.events.length === 2 && open.events.length === 2 ? true : undefined,
    );
    // Nothing that the open socket tells has changed.
    agent.change({ pendingEvents: 5 });
    await waitFor('one to hear of it', () => (full.events.length === 3 ? true : undefined));
    assert.deepEqual(full.events[2], { ...status, mode: 'offline', server: null, pendingEvents: 5 });
    assert.deepEqual(open.events, [
      { device: 'tc-1', mode: 'online', session: null },
      { device: 'tc-1', mode: 'offline', session: null },
    ]);
    full.stop();
    open.stop();
  });

  test('has room for a few listeners, and again when one has gone', async () => {
    const listeners = [];
    for (let n = 0; n < 16; n++) listeners.push(await listenTo(login()));
    assert.equal((await ask(login(), 'GET', '/v1/events')).status, 503);
    listeners[0]?.stop();
    const next = await waitFor('room', async () => {
      const one = await listenTo(login());
      return one.status === 200 ? one : undefined;
    });
    for (const one of [...listeners, next]) one.stop();
  });

  test('does not keep the servers from closing', async () => {
    await listenTo(control());
    await servers.close();
    assert.equal(agent.listeners.size, 0);
  });
});

test('a caller that goes away cancels nothing, and the next one is served', async () => {
  let finish = () => {};
  const decided = new Promise<void>(resolve => {
    finish = resolve;
  });
  agent.login = async user => {
    agent.asked.push(`login ${user}`);
    await decided;
    agent.asked.push('decided');
    return granted;
  };
  const sent = request({
    socketPath: control(),
    method: 'POST',
    path: '/v1/login',
    agent: false,
    headers: { 'content-type': 'application/json' },
  });
  sent.on('error', () => {});
  sent.end(JSON.stringify({ user: 'alice', password: 'right' }));
  await waitFor('the login to begin', () => agent.asked[0]);
  sent.destroy();
  finish();
  await waitFor('the login to be decided', () => agent.asked[1]);
  assert.equal((await ask(control(), 'GET', '/v1/status')).status, 200);
});

test('an agent that fails is a problem document without a word of why', async () => {
  agent.login = async () => {
    throw new Error('secret detail');
  };
  const answer = await tryLogin(control(), 'right');
  assert.equal(answer.status, 500);
  assert.ok(!JSON.stringify(answer.body).includes('secret'));
});

describe('where the sockets lie', () => {
  test('a second agent on the same folder is refused, and the first goes on', async () => {
    await assert.rejects(createLocalServers({ dataDir, agent: fakeAgent() }), /already running/);
    assert.equal((await ask(control(), 'GET', '/v1/status')).status, 200);
  });

  test('a socket that a killed process left behind is replaced', async () => {
    await servers.close();
    const script = `require('node:net').createServer().listen(process.argv[1], () => console.log('on'))`;
    const child = spawn(process.execPath, ['-e', script, control()]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.ok(statSync(control()).isSocket());
    servers = await createLocalServers({ dataDir, agent });
    assert.equal((await ask(control(), 'GET', '/v1/status')).status, 200);
  });

  test('a file in the way is not removed', async () => {
    await servers.close();
    writeFileSync(control(), 'somebody’s file');
    await assert.rejects(createLocalServers({ dataDir, agent }), SocketUnusable);
    assert.ok(statSync(control()).isFile());
  });

  test('a path that is too long is refused with its length, and leaves nothing behind', async () => {
    const long = join(dataDir, 'x'.repeat(100));
    await assert.rejects(
      createLocalServers({ dataDir: long, agent: fakeAgent() }),
      error => error instanceof SocketUnusable && /107/.test(error.message),
    );
  });

  test('the sockets go with the servers', async () => {
    await servers.close();
    for (const path of [control(), login()]) {
      const [error] = await once(connect(path), 'error');
      assert.equal(error.code, 'ENOENT');
    }
  });
});
