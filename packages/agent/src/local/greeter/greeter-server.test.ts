import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { AgentStatus, LoginResult } from '@thinman/protocol';
import { bootToken } from './boot-token.ts';
import { createGreeter, type Greeter } from './greeter-server.ts';
import type { GreeterAgent } from './page-state.ts';

const TOKEN = bootToken(Buffer.alloc(32, 7), 'a-boot');
const STATUS: AgentStatus = {
  device: 'tc-1',
  mode: 'online',
  server: { name: 'primary', url: 'https://primary-canary.example', role: 'primary', state: 'serving' },
  servers: [],
  epoch: 1,
  generation: 4,
  session: null,
  pendingEvents: 0,
};
const GRANTED: LoginResult = {
  verdict: 'granted',
  reason: null,
  mode: 'online',
  server: 'primary',
  user: 'alice',
  epoch: 1,
  generation: 4,
  elapsedMs: 5,
  profile: { connections: [{ name: 'ward', type: 'rdp', host: 'host-canary.example' }] },
};

let status: AgentStatus;
let asked: string[];
let listeners: Set<() => void>;
let connectionListeners: Set<() => void>;
let mayEnd: boolean;
let greeter: Greeter;
let port: string;

const agent: GreeterAgent = {
  status: () => status,
  emergency: () => ({ kind: 'refused', code: 'emergency_invalid' }),
  changePassword: async user => ({ changed: false, reason: 'primary_needed', user }),
  login: async (user, password) => {
    asked.push(`login ${user}`);
    if (password !== 'right') return { ...GRANTED, verdict: 'denied', reason: 'credentials_invalid' };
    status = { ...status, session: { user, mode: 'online', since: 1 } };
    return GRANTED;
  },
  lock: () => void asked.push('lock'),
  unlock: async password => agent.login('alice', password),
  mayEnd: () => mayEnd,
  onConnections: listener => {
    connectionListeners.add(listener);
    return () => connectionListeners.delete(listener);
  },
  activity: isIdle => void asked.push(isIdle ? 'idle' : 'active'),
  logout: async () => {
    asked.push('logout');
  },
  onChange: listener => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  connect: name => (name === 'ward' ? 'done' : 'unknown'),
};

beforeEach(async () => {
  [status, asked, listeners, connectionListeners, mayEnd] = [STATUS, [], new Set(), new Set(), true];
  delete agent.session;
  greeter = await createGreeter({ port: 0, token: TOKEN, agent, nowMs: () => 5_000, monotonicMs: () => 0 });
  ({ port } = new URL(greeter.url));
});
afterEach(() => greeter.close());

const own = () => ({ origin: `http://127.0.0.1:${port}`, 'x-thinman-token': TOKEN });

async function open(method: string, path: string, headers: OutgoingHttpHeaders, body?: unknown) {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const sent = request({ host: '127.0.0.1', port, method, path, headers: { ...type, ...headers }, agent: false });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}
async function ask(method: string, path: string, headers: OutgoingHttpHeaders = {}, body?: unknown) {
  const response = await open(method, path, headers, body);
  return { status: response.statusCode, headers: response.headers, text: await text(response) };
}
const login = (headers: OutgoingHttpHeaders, password = 'right') =>
  ask('POST', '/v1/login', headers, { user: 'alice', password });

describe('the page', () => {
  test('is whole, lets nothing in from elsewhere, and is shown in no frame', async () => {
    for (const path of ['/', '/page.js', '/page.css', '/words.json']) {
      const { status: code, headers } = await ask('GET', path);
      assert.equal(code, 200, path);
      const policy = String(headers['content-security-policy']);
      for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"]) {
        assert.ok(policy.includes(rule), rule);
      }
      assert.ok(!policy.includes('unsafe'));
      assert.equal(headers['x-frame-options'], 'DENY');
      assert.equal(headers['access-control-allow-origin'], undefined);
      assert.equal(headers['cache-control'], 'no-store');
    }
  });

  test('has neither inline scripts nor styles, and loads from nowhere else', async () => {
    const { text: html } = await ask('GET', '/');
    assert.doesNotMatch(html, /style=|<style|\son\w+="|https?:|<script(?! type="module" src="\/page\.js">)/);
  });

  test('has the same token until the machine boots', () => {
    assert.equal(bootToken(Buffer.alloc(32, 7), 'a-boot'), TOKEN);
    assert.notEqual(bootToken(Buffer.alloc(32, 7), 'the-next-boot'), TOKEN);
    assert.notEqual(bootToken(Buffer.alloc(32, 8), 'a-boot'), TOKEN);
    assert.equal(greeter.url, `http://127.0.0.1:${port}/#${TOKEN}`);
  });
});

describe('nobody but the page gets an answer', () => {
  const refused: readonly [what: string, headers: () => OutgoingHttpHeaders][] = [
    ['without the token', () => ({ origin: own().origin })],
    ['with another token', () => ({ ...own(), 'x-thinman-token': bootToken(Buffer.alloc(32), 'a-boot') })],
    ['with a shorter token', () => ({ ...own(), 'x-thinman-token': TOKEN.slice(0, 20) })],
    ['without an origin', () => ({ 'x-thinman-token': TOKEN })],
    ['from another page', () => ({ ...own(), origin: 'https://evil.example' })],
    ['from another port', () => ({ ...own(), origin: 'http://127.0.0.1:1' })],
    ['from a page that hides where it is', () => ({ ...own(), origin: 'null' })],
    ['under another name (DNS rebinding)', () => ({ ...own(), host: `evil.example:${port}` })],
    ['under the name localhost', () => ({ ...own(), host: `localhost:${port}` })],
    [
      'under another name with its own origin',
      () => ({
        ...own(),
        host: `evil.example:${port}`,
        origin: `http://evil.example:${port}`,
      }),
    ],
    ['that the browser says is cross-site', () => ({ ...own(), 'sec-fetch-site': 'cross-site' })],
    ['that the browser says is same-site', () => ({ ...own(), 'sec-fetch-site': 'same-site' })],
  ];
  for (const [what, headers] of refused) {
    test(`a login ${what}`, async () => {
      assert.equal((await login(headers())).status, 403);
      assert.deepEqual(asked, []);
    });
  }

  test('the page under two names at once', async () => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nhost: evil.example\r\n\r\n`);
    assert.match(await text(socket), /^HTTP\/1\.1 403 /);
  });

  test('the state is not read, the session not ended and nothing opened without the token', async () => {
    assert.equal((await ask('GET', '/v1/events')).status, 403);
    assert.equal((await ask('POST', '/v1/logout', { origin: own().origin }, {})).status, 403);
    assert.equal((await ask('POST', '/v1/connect', { origin: own().origin }, { name: 'ward' })).status, 403);
    assert.deepEqual(asked, []);
  });

  test('a preflight from elsewhere is refused, and allows nothing', async () => {
    const { status: code, headers } = await ask('OPTIONS', '/v1/login', {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
    });
    assert.equal(code, 403);
    assert.deepEqual(
      Object.keys(headers).filter(name => name.startsWith('access-control')),
      [],
    );
  });

  test('the page itself is not given under another name, nor to a page that leads here', async () => {
    assert.equal((await ask('GET', '/', { host: 'evil.example' })).status, 403);
    assert.equal((await ask('GET', '/', { 'sec-fetch-site': 'cross-site' })).status, 403);
  });
});

describe('who uses the page', () => {
  test('logs in, is told no host and no address, and opens what is theirs', async () => {
    const answer = await login(own());
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.text).verdict, 'granted');
    assert.doesNotMatch(answer.text, /canary/);
    assert.equal((await ask('POST', '/v1/connect', own(), { name: 'ward' })).status, 200);
    assert.equal((await ask('POST', '/v1/connect', own(), { name: 'other' })).status, 404);
    assert.equal((await ask('POST', '/v1/logout', own(), {})).status, 200);
    assert.deepEqual(asked, ['login alice', 'logout']);
  });

  test('waits after ten wrong passwords', async () => {
    for (let n = 0; n < 10; n++) assert.equal((await login(own(), 'wrong')).status, 200);
    const { status: code, text: body } = await login(own());
    assert.deepEqual([code, JSON.parse(body).retryAfterMs], [429, 60_000]);
  });

  test('sees the state as it changes: since when it is offline, and the tiles', async () => {
    const stream = await open('GET', '/v1/events', { 'x-thinman-token': TOKEN });
    const chunks = stream.setEncoding('utf8')[Symbol.asyncIterator]();
    const next = async () => {
      const { value } = await chunks.next();
      assert.doesNotMatch(value, /canary/);
      return JSON.parse(String(value).replace(/^event: state\ndata: /, ''));
    };
    assert.deepEqual(await next(), {
      device: 'tc-1',
      mode: 'online',
      offlineSince: null,
      server: { name: 'primary', role: 'primary', state: 'serving' },
      session: null,
      connections: [],
      mayEnd: true,
      loginMessage: null,
    });
    status = { ...STATUS, mode: 'offline', server: null, loginMessage: 'Ward 3' };
    for (const changed of listeners) changed();
    const { mode, offlineSince, loginMessage } = await next();
    assert.deepEqual([mode, offlineSince, loginMessage], ['offline', 5_000, 'Ward 3']);
    await login(own());
    assert.deepEqual((await next()).connections, [{ name: 'ward', type: 'rdp' }]);
    stream.destroy();
  });

  test('sees how each connection stands, as it changes, and not why', async () => {
    let state: 'closed' | 'open' | 'failed' = 'closed';
    const why = 'host-canary.example refuses';
    agent.session = () => ({ connections: [{ name: 'ward', type: 'rdp', state, ...{ why } }] });
    await login(own());
    const stream = await open('GET', '/v1/events', { 'x-thinman-token': TOKEN });
    const chunks = stream.setEncoding('utf8')[Symbol.asyncIterator]();
    const next = async () => {
      const { value } = await chunks.next();
      assert.doesNotMatch(value, /canary/);
      return JSON.parse(String(value).replace(/^event: state\ndata: /, '')).connections;
    };
    assert.deepEqual(await next(), [{ name: 'ward', type: 'rdp', state: 'closed' }]);
    for (state of ['open', 'failed'] as const) {
      for (const changed of connectionListeners) changed();
      assert.deepEqual(await next(), [{ name: 'ward', type: 'rdp', state }]);
    }
    stream.destroy();
  });

  test('locks, and while it is locked opens nothing, sees no tile, and unlocks by the password alone', async () => {
    await login(own());
    assert.equal((await ask('POST', '/v1/lock', own(), {})).status, 200);
    assert.equal(asked.at(-1), 'lock');
    status = { ...STATUS, session: { user: 'alice', mode: 'online', since: 1, locked: true } };
    assert.equal((await ask('POST', '/v1/connect', own(), { name: 'ward' })).status, 403);
    const wrong = JSON.parse((await ask('POST', '/v1/unlock', own(), { password: 'wrong' })).text);
    assert.deepEqual([wrong.verdict, wrong.state.connections], ['denied', []]);
    const right = await ask('POST', '/v1/unlock', own(), { password: 'right' });
    assert.equal(JSON.parse(right.text).verdict, 'granted');
    assert.doesNotMatch(right.text, /canary/);
    assert.equal((await ask('POST', '/v1/unlock', { origin: own().origin }, { password: 'right' })).status, 403);
    assert.equal((await ask('POST', '/v1/lock', { origin: own().origin }, {})).status, 403);
  });

  test('ends no session that only its own user may end', async () => {
    await login(own());
    mayEnd = false;
    assert.equal((await ask('POST', '/v1/logout', own(), {})).status, 403);
    assert.ok(!asked.includes('logout'));
  });

  test('wrong passwords at a locked screen count like any', async () => {
    await login(own());
    for (let n = 0; n < 10; n++) await ask('POST', '/v1/unlock', own(), { password: 'wrong' });
    assert.equal((await ask('POST', '/v1/unlock', own(), { password: 'right' })).status, 429);
  });
});

test('a port that is taken is an error, and nothing listens to the agent any more', async () => {
  const before = listeners.size;
  const taken = { port: Number(port), token: TOKEN, agent, nowMs: () => 0, monotonicMs: () => 0 };
  await assert.rejects(createGreeter(taken), { code: 'EADDRINUSE' });
  assert.equal(listeners.size, before);
});
