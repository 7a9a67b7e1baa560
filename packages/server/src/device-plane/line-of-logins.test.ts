import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '@thinman/protocol';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../../../../test/support/device-site.ts';
import { DEAR_A_TURN, WAITING_OF_ONE } from './turnstile.ts';

async function connected(site: DeviceSite, device?: TestDevice): Promise<TLSSocket> {
  const { port } = site.primary;
  const socket = connect({ port, host: '127.0.0.1', ca: site.ca.certificatePem, ...device?.tls });
  await once(socket, 'secureConnect');
  return socket;
}

/** Asks everything at once, and waits for no answer before the next question: the status of each answer, in order. */
async function pipelined(socket: TLSSocket, bodies: readonly object[]): Promise<readonly string[]> {
  const requests = bodies.map(body => {
    const text = JSON.stringify(body);
    const head = ['POST /v1/login HTTP/1.1', 'host: x', `${PROTOCOL_HEADER}: ${PROTOCOL_VERSION}`];
    return [...head, 'content-type: application/json', `content-length: ${text.length}`, '', text].join('\r\n');
  });
  socket.write(requests.join(''));
  let answers = '';
  for await (const chunk of socket.setEncoding('latin1')) {
    answers += chunk;
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status ?? '');
    if (statuses.length === bodies.length) return statuses;
  }
  throw new Error(`the connection was closed: ${answers}`);
}

describe('the line in which logins wait', () => {
  let site: DeviceSite;
  let device: TestDevice;
  before(async () => {
    site = await createDeviceSite();
    device = await site.addDevice('tc-1');
    await site.addUser('alice');
  });
  after(() => site.close());
  const logins = (count: number) =>
    Promise.all(Array.from({ length: count }, () => site.loginRequest(site.primary, device, 'alice', PASSWORD)));

  test('has no strangers in it: they are refused at once, and keep nobody waiting', async () => {
    // Of one connection no more: with so many answers that wait to be sent, Node reads no further.
    const OF_ONE = 24;
    const strangers = await Promise.all(Array.from({ length: 24 }, () => connected(site)));
    let turns = 0;
    let ended = false;
    const count = () => {
      turns++;
      if (!ended) setImmediate(count);
    };
    count();
    const statuses = await Promise.all(strangers.map(socket => pipelined(socket, Array(OF_ONE).fill({}))));
    ended = true;
    assert.deepEqual(new Set(statuses.flat()), new Set(['403']));
    assert.ok(turns < (strangers.length * OF_ONE) / DEAR_A_TURN, `${turns} turns`);
  });

  test('lets nobody pass for whom the answer has changed meanwhile', async t => {
    const { journal } = site.primary.deps;
    const append = journal.append.bind(journal);
    let answered = 0;
    t.mock.method(journal, 'append', (entry: Parameters<typeof append>[0]) => {
      // The first of those who have waited.
      if (++answered === DEAR_A_TURN + 1) site.primary.become('draining');
      return append(entry);
    });
    t.after(() => site.primary.become('serving'));
    const statuses = await pipelined(await connected(site, device), await logins(2 * DEAR_A_TURN + 4));
    assert.deepEqual(statuses, [...Array(2 * DEAR_A_TURN).fill('200'), ...Array(4).fill('503')]);
  });

  test('is not filled by one device that waits for no answer', async () => {
    const statuses = await pipelined(await connected(site, device), Array(4 * WAITING_OF_ONE).fill({}));
    assert.deepEqual(new Set(statuses), new Set(['400', '503']));
    assert.ok(statuses.filter(status => status === '400').length >= WAITING_OF_ONE);
    const [request] = await logins(1);
    const { status } = await site.primary.call(device, 'POST', '/v1/login', { body: request });
    assert.equal(status, 200);
  });
});
