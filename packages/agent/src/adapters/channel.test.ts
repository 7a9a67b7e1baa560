import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { afterEach, before, describe, test } from 'node:test';
import { CHANNEL_CLOSE, MAX_FRAME_BYTES, PROTOCOL_VERSION, problem, type ServerFrame } from '@thinman/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { DEVICE_ID } from '../../../../test/support/ids.ts';
import { deviceIdentity, httpsLab, type Lab, tlsLab } from '../../../../test/support/tls-lab.ts';
import { type Credential, createTrust, statementServer, type Trust } from '../../../../test/support/trust.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import type { ChannelHandle, ChannelListener, DeviceIdentity } from '../ports.ts';
import { createChannelConnector } from './channel.ts';
import { systemClock } from './clock.ts';

const CONNECT_MS = 5_000;
const SLOW_PING_MS = 60_000;

let trust: Trust;
let credential: Credential;
let identity: DeviceIdentity;
before(async () => {
  trust = await createTrust();
  credential = await trust.server();
  identity = await deviceIdentity(trust);
});

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

type Why = Parameters<ChannelListener['onClosed']>[0];

/** Opens a channel and writes down what it says. */
function listen(server: Lab['server'], { connectMs = CONNECT_MS, pingMs = SLOW_PING_MS, draw = 0.5 } = {}) {
  const heard = { opened: 0, alive: 0, frames: [] as ServerFrame[], closed: [] as Why[], late: 0 };
  const mark = () => {
    if (heard.closed.length > 0) heard.late += 1;
  };
  const connector = createChannelConnector({ clock: systemClock, random: () => draw, identity: () => identity });
  const handle: ChannelHandle = connector.open(server, connectMs, pingMs, {
    onOpen: () => {
      mark();
      heard.opened += 1;
    },
    onAlive: () => {
      mark();
      heard.alive += 1;
    },
    onFrame: frame => {
      mark();
      heard.frames.push(frame);
    },
    onClosed: why => heard.closed.push(why),
  });
  cleanUp.push(async () => handle.close());
  const closed = async () => {
    await waitFor('the channel to close', () => heard.closed[0]);
    // Whatever else is on its way arrives in these turns.
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve));
    assert.equal(heard.closed.length, 1);
    assert.equal(heard.late, 0);
    return heard.closed[0] as Why;
  };
  return { heard, handle, closed };
}

/** A server of the site that takes channels. */
async function channelServer(onSocket: (socket: WebSocket, headers: Record<string, unknown>) => void, autoPong = true) {
  const lab = await httpsLab(trust, credential, (_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ noServer: true, autoPong });
  lab.onUpgrade((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, ws => onSocket(ws, { ...request.headers, path: request.url })),
  );
  cleanUp.push(() => lab.stop());
  return lab;
}

const goaway: ServerFrame = { type: 'goaway' };

// The first one of this file: afterwards `ws` has been read.
test('a channel that is given up before `ws` is read leaves no connection open', async () => {
  const lab = await channelServer(() => {});
  const connector = createChannelConnector({ clock: systemClock, random: () => 0.5, identity: () => identity });
  await connector.readyz(lab.server, CONNECT_MS, AbortSignal.timeout(CONNECT_MS));
  assert.equal(lab.sockets.size, 1);
  const closed = new Promise<Why>(resolve => {
    const listener = { onOpen() {}, onAlive() {}, onFrame() {}, onClosed: resolve };
    connector.open(lab.server, CONNECT_MS, SLOW_PING_MS, listener).close();
  });
  assert.equal((await closed).reason, 'closed');
  // The server would close it itself after 5 s.
  await waitFor('the connection to close', () => lab.sockets.size === 0 || undefined, 3_000);
});

test('a channel opens at its path, says its version, and carries frames both ways', async () => {
  const got: unknown[] = [];
  const lab = await channelServer((ws, headers) => {
    got.push([headers.path, headers['thinman-protocol'], headers['sec-websocket-extensions']]);
    ws.on('message', data => {
      got.push(JSON.parse(String(data)));
      ws.send(JSON.stringify(goaway));
    });
  });
  const { heard, handle } = listen(lab.server);
  await waitFor('the channel to open', () => heard.opened || undefined);
  handle.send({ type: 'ack', id: DEVICE_ID, ok: true });
  await waitFor('a frame', () => heard.frames[0]);
  assert.deepEqual(heard.frames, [goaway]);
  assert.ok(heard.alive > 0);
  assert.deepEqual(got, [
    ['/v1/channel', String(PROTOCOL_VERSION), undefined],
    { type: 'ack', id: DEVICE_ID, ok: true },
  ]);
});

test('a ping is answered by a sign of life that comes after it, and by none of a server that says nothing', async () => {
  const talking = await channelServer(() => {});
  const { heard, handle } = listen(talking.server);
  await waitFor('the channel to open', () => heard.opened || undefined);
  await new Promise<void>(resolve => handle.ping(resolve));
  let answered = false;
  const silent = await channelServer(ws => void ws.on('ping', () => ws.send(JSON.stringify(goaway))), false);
  const other = listen(silent.server);
  await waitFor('the channel to open', () => other.heard.opened || undefined);
  other.handle.ping(() => {
    answered = true;
  });
  await waitFor('a frame that is no pong', () => other.heard.frames[0]);
  assert.equal(answered, false);
});

test('the server closes: told once, and nothing after it', async () => {
  const lab = await channelServer(ws => {
    ws.send(JSON.stringify(goaway));
    ws.close(1001);
  });
  assert.equal((await listen(lab.server).closed()).reason, 'closed');
});

test('another channel of this device takes its place: told apart from every other end', async () => {
  const lab = await channelServer(ws => {
    ws.send(JSON.stringify(goaway));
    ws.close(CHANNEL_CLOSE.replaced.code, CHANNEL_CLOSE.replaced.reason);
  });
  assert.equal((await listen(lab.server).closed()).reason, 'replaced');
});

test('the device closes: told once, and sending is harmless afterwards', async () => {
  const lab = await channelServer(ws => ws.send(JSON.stringify(goaway)));
  const { heard, handle, closed } = listen(lab.server);
  await waitFor('the channel to open', () => heard.opened || undefined);
  handle.close();
  handle.close();
  handle.send({ type: 'ack', id: DEVICE_ID, ok: true });
  assert.equal((await closed()).reason, 'closed');
  await waitFor('the connection to end', () => (lab.sockets.size === 0 ? true : undefined));
});

test('closed while it connects: told once, and the server is left alone', async () => {
  const lab = await channelServer(() => {});
  const { heard, handle, closed } = listen(lab.server);
  handle.close();
  assert.equal((await closed()).reason, 'closed');
  assert.equal(heard.opened, 0);
});

describe('frames that are none of the protocol close the channel', () => {
  const nonsense: readonly [what: string, data: string | Buffer][] = [
    ['text that is not JSON', 'hello'],
    ['an unknown type', '{"type":"dance"}'],
    ['a binary frame', Buffer.from(JSON.stringify(goaway))],
    ['a frame above the limit', JSON.stringify({ type: 'goaway', padding: 'x'.repeat(MAX_FRAME_BYTES) })],
  ];
  for (const [what, data] of nonsense) {
    test(what, async () => {
      const lab = await channelServer(ws => ws.send(data));
      const { heard, closed } = listen(lab.server);
      assert.equal((await closed()).reason, 'not_our_schema');
      assert.deepEqual(heard.frames, []);
    });
  }
});

describe('signs of life', () => {
  test('pongs are told, and keep the channel open', async () => {
    const lab = await channelServer(() => {});
    const { heard } = listen(lab.server, { pingMs: 10 });
    await waitFor('several pongs', () => (heard.alive > 5 ? true : undefined));
    assert.deepEqual(heard.closed, []);
  });

  test('pings come no faster than the wire takes, whatever a policy says', async () => {
    const lab = await channelServer(() => {});
    const waits: number[] = [];
    const connector = createChannelConnector({
      clock: {
        ...systemClock,
        after(ms, action) {
          waits.push(ms);
          return systemClock.after(ms, action);
        },
      },
      ...{ random: () => 0.5, identity: () => identity },
      roundTrips: { add() {}, of: () => 300 },
    });
    const opened = Promise.withResolvers<void>();
    const handle = connector.open(lab.server, CONNECT_MS, 20, {
      ...{ onOpen: opened.resolve, onAlive() {}, onFrame() {}, onClosed: opened.reject },
    });
    await opened.promise;
    handle.close();
    assert.ok(waits.includes(300) && !waits.includes(20), `${waits}`);
  });

  test('a server that answers no ping is dead after two misses', async () => {
    const seen = { pings: 0, isClosed: false };
    const lab = await channelServer(ws => {
      ws.on('ping', () => (seen.pings += 1)).on('close', () => (seen.isClosed = true));
    }, false);
    const { heard, closed } = listen(lab.server, { pingMs: 20 });
    assert.equal((await closed()).reason, 'timeout');
    await waitFor('the server to see the end', () => seen.isClosed || undefined);
    assert.equal(seen.pings, 2);
    assert.equal(heard.alive, 0);
    assert.equal(heard.opened, 1);
  });

  test('any frame counts as life', async () => {
    let timer: NodeJS.Timeout | undefined;
    const lab = await channelServer(ws => {
      timer = setInterval(() => ws.send(JSON.stringify(goaway)), 5);
    }, false);
    const { heard } = listen(lab.server, { pingMs: 30 });
    await waitFor('longer than three pings', () => (heard.frames.length > 40 ? true : undefined));
    clearInterval(timer);
    assert.deepEqual(heard.closed, []);
  });
});

describe('a channel that does not come about', () => {
  test('refused with a problem document, which is handed on', async () => {
    const refusal = problem('device_revoked', { subject: { epoch: 1, generation: 3 } });
    const lab = await httpsLab(trust, credential, () => {});
    lab.onUpgrade((_request, socket) => {
      const body = JSON.stringify(refusal);
      socket.end(
        `HTTP/1.1 403 Forbidden\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    });
    cleanUp.push(() => lab.stop());
    const { heard, closed } = listen(lab.server);
    assert.deepEqual((await closed()).problem, refusal);
    assert.equal(heard.opened, 0);
  });

  test('answered by a page: not our schema', async () => {
    const lab = await httpsLab(trust, credential, (_request, response) => response.writeHead(200).end('<html>'));
    cleanUp.push(() => lab.stop());
    const why = await listen(lab.server).closed();
    assert.equal(why.reason, 'not_our_schema');
    assert.equal(why.problem, undefined);
  });

  test('answered by an endless page: not our schema', async () => {
    const lab = await httpsLab(trust, credential, (_request, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(4096)));
      };
      response.on('drain', more);
      more();
    });
    cleanUp.push(() => lab.stop());
    assert.equal((await listen(lab.server).closed()).reason, 'not_our_schema');
  });

  test('a wrong accept key: not a server of ours', async () => {
    const lab = await httpsLab(trust, credential, () => {});
    lab.onUpgrade((_request, socket) =>
      socket.write('HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: no\r\n\r\n'),
    );
    cleanUp.push(() => lab.stop());
    assert.notEqual((await listen(lab.server).closed()).reason, 'closed');
  });

  test('a closed port: refused', async () => {
    const lab = await channelServer(() => {});
    await lab.stop();
    assert.equal((await listen(lab.server).closed()).reason, 'refused');
  });

  test('no answer to the TLS handshake, or to the upgrade: timeout, at the deadline', async () => {
    const silent = createTcp(socket => socket.resume());
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const noTls = statementServer(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`, credential.keyHash);
    assert.equal((await listen(noTls, { connectMs: 50 }).closed()).reason, 'timeout');
    silent.close();

    const lab = await tlsLab(trust, credential, () => {});
    cleanUp.push(() => lab.stop());
    assert.equal((await listen(lab.server, { connectMs: 200 }).closed()).reason, 'timeout');
    await waitFor('the connection to be cut', () => (lab.sockets.size === 0 ? true : undefined));
  });

  test('the server cuts the connection: reset', async () => {
    const lab = await tlsLab(trust, credential, socket => socket.once('data', () => socket.destroy()));
    cleanUp.push(() => lab.stop());
    assert.equal((await listen(lab.server).closed()).reason, 'reset');
  });

  test('a key outside the statement gets no byte of HTTP', async () => {
    const lab = await tlsLab(trust, await trust.server(), () => {});
    cleanUp.push(() => lab.stop());
    const why = await listen({ ...lab.server, keyHash: credential.keyHash }).closed();
    assert.equal(why.reason, 'not_in_statement');
    assert.equal(lab.seen.bytes, 0);
  });

  test('a certificate of another CA gets no byte of HTTP', async () => {
    const stranger = await createTrust();
    const lab = await tlsLab(stranger, await stranger.server(), () => {});
    cleanUp.push(() => lab.stop());
    assert.equal((await listen(lab.server).closed()).reason, 'tls');
    assert.equal(lab.seen.bytes, 0);
  });
});
