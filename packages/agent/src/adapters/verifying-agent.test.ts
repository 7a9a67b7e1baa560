import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { deviceIdentity, httpsLab, type Lab } from '../../../../test/support/tls-lab.ts';
import { createTrust, type Trust } from '../../../../test/support/trust.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import type { DeviceIdentity } from '../ports.ts';
import { systemClock } from './clock.ts';
import { exchange } from './http-exchange.ts';
import { connectTls, tlsCredentials } from './tls.ts';
import { VerifyingAgent } from './verifying-agent.ts';

const PATIENCE_MS = 10_000;
const LONG_MS = 60_000;

let trust: Trust;
let identity: DeviceIdentity;
const open: { readonly lab: Lab; readonly agent: VerifyingAgent }[] = [];

before(async () => {
  trust = await createTrust();
  identity = await deviceIdentity(trust);
});
afterEach(async () => {
  for (const { lab, agent } of open.splice(0)) {
    agent.destroy();
    await lab.stop();
  }
});

/** A server, the agent for it, and the sockets that were made. `hint`: for how many seconds the server keeps connections. */
async function make(options: { readonly idleMs?: number; readonly hint?: number; readonly silent?: true } = {}) {
  const lab = await httpsLab(trust, await trust.server(), (_request, response) => {
    if (options.silent) return;
    response.setHeader('connection', 'keep-alive');
    if (options.hint !== undefined) response.setHeader('keep-alive', `timeout=${options.hint}`);
    response.end('{}');
  });
  const url = new URL(lab.server.url);
  const sockets: TLSSocket[] = [];
  const agent = new VerifyingAgent(
    done => {
      const credentials = () => tlsCredentials(identity);
      const request = { url, credentials, clock: systemClock, deadlineMs: PATIENCE_MS, keyHash: lab.server.keyHash };
      return connectTls(request, (failure, socket) => {
        if (socket !== undefined) sockets.push(socket);
        done(failure, socket);
      });
    },
    { most: 2, idleMs: options.idleMs ?? LONG_MS },
  );
  open.push({ lab, agent });
  const ask = async (signal = AbortSignal.timeout(PATIENCE_MS)) => {
    const outcome = await exchange(agent, url, { method: 'GET', path: '/', signal });
    return outcome.kind === 'failed' ? outcome.reason : outcome.status;
  };
  return { lab, agent, sockets, ask };
}

const ended = (socket: TLSSocket | undefined) => waitFor('a connection to end', () => socket?.destroyed || undefined);

test('an idle connection is ended after its time', async () => {
  const { ask, sockets } = await make({ idleMs: 50 });
  assert.equal(await ask(), 200);
  await ended(sockets[0]);
  assert.equal(await ask(), 200);
  assert.equal(sockets.length, 2);
});

test('an idle connection is ended before the server does, which says how long it keeps one', async () => {
  // Node ends it a second before that, for what is on the way.
  const { ask, sockets } = await make({ hint: 1 });
  assert.equal(await ask(), 200);
  await ended(sockets[0]);
});

test('at most so many idle connections are kept', async () => {
  const { ask, sockets } = await make();
  assert.deepEqual(await Promise.all(Array.from({ length: 5 }, () => ask())), Array(5).fill(200));
  await waitFor('the others to end', () => sockets.filter(({ destroyed }) => !destroyed).length === 2 || undefined);
  await Promise.all([ask(), ask()]);
  assert.equal(sockets.length, 5);
});

test('a connection over which nothing was asked, as whoever wanted it gave up meanwhile, is not kept', async () => {
  const { ask, sockets } = await make();
  const giveUp = new AbortController();
  const asked = ask(giveUp.signal);
  await nextTurn();
  giveUp.abort();
  assert.equal(await asked, 'aborted');
  await waitFor('the connection to be made', () => sockets.length === 1 || undefined);
  await ended(sockets[0]);
  assert.equal(await ask(), 200);
  assert.equal(sockets.length, 2);
});

test('once retired, what is idle ends at once, and what is under way with its answer', async () => {
  const { ask, agent, sockets } = await make();
  await Promise.all([ask(), ask()]);
  const last = ask();
  agent.retire();
  assert.equal(await last, 200);
  await Promise.all(sockets.map(ended));
});

test('once closed, nothing is under way any more, and nobody is connected', async () => {
  const { ask, agent, sockets } = await make({ silent: true });
  const asked = ask();
  await waitFor('the connection', () => sockets.length === 1 || undefined);
  agent.destroy();
  assert.equal(await asked, 'reset');
  assert.equal(await ask(), 'aborted');
  assert.equal(sockets.length, 1);
});

test('closed while it connects: the one who asked is told at once, and nothing is sent', async () => {
  const { ask, agent, sockets } = await make();
  const asked = ask();
  // The connection is begun in a later turn than the question.
  await nextTurn();
  agent.destroy();
  assert.equal(await asked, 'aborted');
  assert.deepEqual(sockets, []);
});
