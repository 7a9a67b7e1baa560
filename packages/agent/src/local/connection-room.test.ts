import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { waitFor } from '../../../../test/support/wait.ts';
import { createConnectionRoom } from './connection-room.ts';

const ROOM = 4;

let folder: string;
let server: Server;
let waiting: ServerResponse[];
let sockets: Socket[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-room-'));
  waiting = [];
  sockets = [];
  server = createServer((request, response) => {
    if (request.url === '/now') response.end('now');
    else {
      room.isServed(response);
      waiting.push(response);
    }
  });
  const room = createConnectionRoom(server, ROOM);
  server.listen(join(folder, 'room.sock'));
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  rmSync(folder, { recursive: true });
});

/** A connection of which is known whether it was cut. */
async function come(sends = '') {
  const socket = connect(join(folder, 'room.sock'));
  sockets.push(socket);
  const guest = { socket, heard: '', isCut: false };
  socket.setEncoding('utf8').on('data', chunk => {
    guest.heard += chunk;
  });
  socket.on('close', () => {
    guest.isCut = true;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(sends);
  return guest;
}

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
const untilCut = (guest: { isCut: boolean }) => waitFor('it to be cut', () => guest.isCut || undefined);
const untilWaiting = (count: number) => waitFor(`${count} to be served`, () => waiting.length === count || undefined);

describe('the room of a local socket', () => {
  test('is never full of those who say nothing: the one who has waited longest goes', async () => {
    const first = await come();
    const others = [];
    for (let n = 0; n < ROOM - 1; n++) others.push(await come());
    const asks = await come(GET('/now'));
    await waitFor('an answer', () => asks.heard.endsWith('now') || undefined);
    await untilCut(first);
    assert.deepEqual(
      others.filter(({ isCut }) => isCut),
      [],
    );
  });

  test('is never full of those who do not come to an end either', async () => {
    const slow = await come('POST /login HTTP/1.1\r\nhost: a\r\ncontent-le');
    for (let n = 0; n < ROOM - 1; n++) await come();
    await come();
    await untilCut(slow);
  });

  test('who is being served is not sent away, and can be again when it is over', async () => {
    const served = await come(GET('/later'));
    await untilWaiting(1);
    const others = [];
    for (let n = 0; n < 2 * ROOM; n++) others.push(await come());
    assert.equal(served.isCut, false);

    waiting[0]?.end('done');
    await waitFor('the answer', () => served.heard.endsWith('done') || undefined);
    for (let n = 0; n < ROOM; n++) await come();
    await untilCut(served);
  });

  test('full of those who are served, it has none for one more', async () => {
    for (let n = 0; n < ROOM; n++) await come(GET('/later'));
    await untilWaiting(ROOM);
    await untilCut(await come(GET('/now')));
    for (const response of waiting) response.end();
  });
});
