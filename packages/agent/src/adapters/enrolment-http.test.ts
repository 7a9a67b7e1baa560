import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { fetchCa } from './enrolment-http.ts';

test('a server that takes the connection and says nothing, as one that was stopped, is given up in time', async () => {
  const sockets: Socket[] = [];
  const server = createServer(socket => sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const answer = await fetchCa(new URL(`https://127.0.0.1:${port}`), 50);
    assert.ok(answer.kind === 'failed');
    assert.match(answer.detail, /timeout: no answer within the deadline/);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
