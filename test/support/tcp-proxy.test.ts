import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { freePort } from './loopback.ts';
import { createTcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait.ts';

/** A server that repeats what it hears, and a proxy before it. */
async function withEcho(check: (proxy: Awaited<ReturnType<typeof createTcpProxy>>) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const target = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  const port = await freePort();
  await new Promise<void>(resolve => target.listen(port, '127.0.0.1', resolve));
  const proxy = await createTcpProxy(await freePort(), port);
  try {
    await check(proxy);
  } finally {
    await proxy[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    target.close();
  }
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  await once(socket, 'connect');
  return socket;
}

test('passes bytes both ways', () =>
  withEcho(async proxy => {
    const socket = await dial(proxy.port);
    socket.write('hello');
    assert.deepEqual(await once(socket, 'data'), ['hello']);
    socket.destroy();
  }));

test('a cut ends what is open, refuses what is new, and mends', () =>
  withEcho(async proxy => {
    const socket = await dial(proxy.port);
    const closed = new Promise(resolve => socket.on('error', () => {}).on('close', resolve));
    await proxy.cut();
    await closed;
    await assert.rejects(dial(proxy.port), { code: 'ECONNREFUSED' });
    await proxy.mend();
    const again = await dial(proxy.port);
    again.write('again');
    assert.deepEqual(await once(again, 'data'), ['again']);
    again.destroy();
  }));

test('a slow line takes its time, and keeps the order', () =>
  withEcho(async proxy => {
    const socket = await dial(proxy.port);
    const delaysMs = [60, 5, 5, 5];
    proxy.slow(() => delaysMs.shift() ?? 0);
    let heard = '';
    socket.on('data', text => {
      heard += text;
    });
    socket.write('first ');
    for (const word of ['second ', 'third']) socket.write(word);
    await waitFor('all of it', () => (heard === 'first second third' ? true : undefined));
    assert.equal(delaysMs.length < 4, true);
    proxy.slow();
    socket.destroy();
  }));

test('held answers come when they are released, in order', () =>
  withEcho(async proxy => {
    const socket = await dial(proxy.port);
    socket.write('hello');
    await once(socket, 'data');
    const { heard } = proxy.holdAnswers();
    const received: string[] = [];
    socket.on('data', text => received.push(String(text)));
    socket.write('one ');
    await heard;
    socket.write('two');
    assert.deepEqual(received, []);
    proxy.releaseAnswers();
    while (received.join('') !== 'one two') await once(socket, 'data');
    socket.destroy();
  }));

test('a connection that is made while answers are held has its first one, and no other', () =>
  withEcho(async proxy => {
    proxy.holdAnswers();
    const socket = await dial(proxy.port);
    socket.write('hello');
    assert.deepEqual(await once(socket, 'data'), ['hello']);
    const received: string[] = [];
    socket.on('data', text => received.push(String(text)));
    socket.write('held');
    const other = await dial(proxy.port);
    other.write('hello');
    // By now the answer to the first one has come, and lies here.
    await once(other, 'data');
    assert.deepEqual(received, []);
    proxy.releaseAnswers();
    while (received.join('') !== 'held') await once(socket, 'data');
    socket.destroy();
    other.destroy();
  }));
