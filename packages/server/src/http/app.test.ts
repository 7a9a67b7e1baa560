import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ObjectName, PROBLEM_CONTENT_TYPE, type ServerReport, type ServerStatus } from '@thinman/protocol';
import type { InjectOptions } from 'fastify';
import { pino } from 'pino';
import Type from 'typebox';
import { createLocalApp } from './app.ts';
import { health } from './health.ts';
import { listenLocal } from './local-socket.ts';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics/metrics.ts';
import { sendProblem } from './problems.ts';

const silent = pino({ level: 'silent' });
const status: ServerStatus = {
  name: 'primary',
  role: 'primary',
  state: 'serving',
  epoch: 1,
  generation: 7,
  database: { kind: 'sqlite', reachable: true, lagMs: 0 },
  connectedDevices: 3,
  journalPending: 2,
  version: '0.1.0',
  schema: 1,
};

function demoApp(log = silent) {
  const app = createLocalApp({ log });
  const schema = { body: Type.Object({ user: ObjectName, count: Type.Optional(Type.Integer()) }) };
  app.post('/v1/things/:name', { schema }, async request => ({ user: request.body.user }));
  app.post('/v1/empty', async request => ({ body: request.body ?? null }));
  app.get('/v1/broken', async () => {
    throw new Error('the inside of the server');
  });
  app.get('/v1/wait', async (_request, reply) => sendProblem(reply, 'overloaded', { retryAfterMs: 1500 }));
  return app;
}
const json = { 'content-type': 'application/json' };

describe('an answer that is no answer', () => {
  const app = demoApp();
  const expectProblem = async (inject: InjectOptions, code: string, statusCode: number) => {
    const answer = await app.inject(inject);
    assert.equal(answer.statusCode, statusCode);
    assert.equal(answer.headers['content-type'], PROBLEM_CONTENT_TYPE);
    assert.equal(answer.json().code, code);
    return answer;
  };
  test('404 for an unknown path', async () => {
    await expectProblem({ method: 'GET', url: '/nothing' }, 'not_found', 404);
  });
  test('405 with what is allowed for a known path', async () => {
    const answer = await expectProblem({ method: 'DELETE', url: '/v1/things/a?b=c' }, 'method_not_allowed', 405);
    assert.equal(answer.headers.allow, 'POST');
  });
  test('413 for a body above the limit, before it is parsed', async () => {
    await expectProblem(
      { method: 'POST', url: '/v1/things/a', headers: json, payload: ' '.repeat(1024 * 1024 + 1) },
      'too_large',
      413,
    );
  });
  test('415 for another content type', async () => {
    await expectProblem(
      { method: 'POST', url: '/v1/things/a', headers: { 'content-type': 'text/plain' }, payload: 'x' },
      'unsupported_media',
      415,
    );
  });
  test('400 for what is not JSON, and for JSON that would change prototypes', async () => {
    await expectProblem({ method: 'POST', url: '/v1/things/a', headers: json, payload: '{' }, 'bad_request', 400);
    await expectProblem(
      { method: 'POST', url: '/v1/empty', headers: json, payload: '{"__proto__":{"a":1}}' },
      'bad_request',
      400,
    );
  });
  test('400 that names the field for a body of another form: nothing is coerced', async () => {
    const answer = await expectProblem(
      { method: 'POST', url: '/v1/things/a', headers: json, payload: '{"user":"alice","count":"1"}' },
      'bad_request',
      400,
    );
    assert.deepEqual(answer.json().problems, [{ field: 'count', message: 'must be a whole number' }]);
  });
  test('400 for bytes that are no UTF-8, and for half of a character: either would be stored as another text', async () => {
    const half = String.raw`{"user":"a\ud800"}`;
    for (const payload of [Buffer.from('{"user":"p\u00e4"}', 'latin1'), half]) {
      await expectProblem({ method: 'POST', url: '/v1/things/a', headers: json, payload }, 'bad_request', 400);
    }
  });
  test('400 for a path that cannot be decoded', async () => {
    await expectProblem({ method: 'GET', url: '/v1/%zz' }, 'bad_request', 400);
  });
  test('500 tells the client nothing of the inside, and the log everything', async () => {
    const lines: string[] = [];
    const logged = demoApp(createLogger({ destination: { write: line => void lines.push(line) } }));
    const answer = await logged.inject({ method: 'GET', url: '/v1/broken' });
    assert.equal(answer.json().code, 'internal');
    assert.ok(!answer.body.includes('inside'));
    assert.ok(lines.join('').includes('the inside of the server'));
  });
  test('a time to wait is told in the body and in the header', async () => {
    const answer = await expectProblem({ method: 'GET', url: '/v1/wait' }, 'overloaded', 503);
    assert.equal(answer.json().retryAfterMs, 1500);
    assert.equal(answer.headers['retry-after'], '2');
  });
  test('a POST without a body is taken as one, whatever its content type says', async () => {
    const answer = await app.inject({ method: 'POST', url: '/v1/empty', headers: json });
    assert.deepEqual(answer.json(), { body: null });
  });
});

describe('health', () => {
  const at = (state: ServerStatus['state']) => {
    const app = createLocalApp({ log: silent });
    const current = () => ({ ...status, state });
    const metrics = createMetrics(current);
    app.register(health({ status: current, metrics }));
    return { app, metrics };
  };
  test('/readyz is 200 while a login can be served, else 503, and says the state either way', async () => {
    for (const [state, code] of [
      ['serving', 200],
      ['degraded', 200],
      ['draining', 503],
      ['unavailable', 503],
    ] as const) {
      const answer = await at(state).app.inject({ method: 'GET', url: '/readyz' });
      assert.equal(answer.statusCode, code);
      assert.equal(answer.json().state, state);
    }
  });
  test('/metrics tells logins, devices, journal, generation and state', async () => {
    const { app, metrics } = at('degraded');
    metrics.loginAnswered('granted', 1.2);
    const { body } = await app.inject({ method: 'GET', url: '/metrics' });
    for (const line of [
      'thinman_logins_total{outcome="granted"} 1',
      'thinman_connected_devices 3',
      'thinman_journal_pending 2',
      'thinman_generation{epoch="1"} 7',
      'thinman_server_state{state="degraded"} 1',
      'thinman_server_state{state="serving"} 0',
      'thinman_login_duration_seconds_count 1',
    ])
      assert.ok(body.includes(line), line);
  });
  test('/metrics counts events by the types that are known, from zero, and what the database refused', async () => {
    const { app, metrics } = at('serving');
    const event = (type: string, data = {}) => ({
      ...{ id: '', type, at: 1, data, origin: 'device:tc-1', takenBy: 'primary', takenAt: 1 },
    });
    metrics.eventsTaken([event('failover'), event('failover'), event('a.newer.agents'), event('another.one')]);
    metrics.eventsTaken([event('event.quarantined', { quarantined: 3 })]);
    const { body } = await app.inject({ method: 'GET', url: '/metrics' });
    for (const line of [
      'thinman_events_total{type="failover"} 2',
      'thinman_events_total{type="failback"} 0',
      'thinman_events_total{type="other"} 2',
      'thinman_events_quarantined_total 3',
    ])
      assert.ok(body.includes(line), line);
  });
  test('/metrics tells how full the journal is, and what is behind on which server', async () => {
    const missing = { count: 3, objects: [] };
    const journal = {
      path: 'direct',
      bytes: 9,
      pendingBytes: 5,
      limitBytes: 10,
      oldestPendingMs: 1_500,
      reserveBytes: 7,
    };
    const report = { ...status, state: 'serving', missing: { count: 0, objects: [] }, journal } as ServerReport;
    const linked = { state: 'degraded', epoch: 1, generation: 2, lagMs: 40_000, journalPending: 0, missing } as const;
    const onPrimary = createMetrics(() => ({ ...report, secondaries: [{ name: 'second', linked: true, ...linked }] }));
    const onSecondary = createMetrics(() => ({ ...report, missing, link: { server: 'first', connected: false } }));
    const told = `${await onPrimary.render()}\n${await onSecondary.render()}`;
    for (const line of [
      'thinman_journal_bytes 9',
      'thinman_journal_pending_bytes 5',
      'thinman_journal_limit_bytes 10',
      'thinman_journal_oldest_pending_seconds 1.5',
      'thinman_journal_reserve_bytes 7',
      'thinman_journal_bypassed 1',
      'thinman_link_connected{server="second"} 1',
      'thinman_link_connected{server="first"} 0',
      'thinman_lag_seconds{server="second"} 40',
      'thinman_missing_objects{server="second"} 3',
      `thinman_missing_objects{server="${status.name}"} 0`,
      `thinman_missing_objects{server="${status.name}"} 3`,
    ])
      assert.ok(told.includes(line), line);
  });
});

test('the log never shows secrets', () => {
  const lines: string[] = [];
  const log = createLogger({ destination: { write: line => void lines.push(line) } });
  log.info(
    { password: 'canary', body: { proof: 'canary', user: 'alice' }, request: { headers: { authorization: 'canary' } } },
    'x',
  );
  assert.ok(!lines.join('').includes('canary'));
  assert.ok(lines.join('').includes('alice'));
});

describe('the local socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-http-'));
  after(() => rmSync(folder, { recursive: true }));
  test('serves its owner alone, also where a left-over socket lies', async () => {
    const path = join(folder, 'admin.sock');
    for (let round = 0; round < 2; round++) {
      const app = demoApp();
      await listenLocal(app, path);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const code = await new Promise((resolve, reject) => {
        httpRequest({ socketPath: path, path: '/nothing', agent: false }, answer => resolve(answer.statusCode))
          .on('error', reject)
          .end();
      });
      assert.equal(code, 404);
      await app.close();
    }
  });
  for (const [what, sent, status, code] of [
    ['what is not HTTP', 'garbage', 400, 'bad_request'],
    ['a request without a Host', 'GET /nothing HTTP/1.1', 400, 'bad_request'],
    ['one that expects what no server knows', 'GET /nothing HTTP/1.1\r\nhost: a\r\nexpect: x', 404, 'not_found'],
  ] as const) {
    test(`answers ${what} with a problem document`, async () => {
      const path = join(folder, 'raw.sock');
      const app = demoApp();
      await listenLocal(app, path);
      const text = await new Promise<string>(resolve => {
        let got = '';
        const socket = connect(path, () => socket.write(`${sent}\r\nconnection: close\r\n\r\n`));
        socket.on('data', chunk => {
          got += chunk;
        });
        socket.on('close', () => resolve(got));
        socket.setTimeout(2_000, () => socket.destroy());
      });
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(text, new RegExp(`"code":"${code}"`));
      await app.close();
    });
  }
});
