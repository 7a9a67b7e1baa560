// A child process: what the libraries alone can do. fastify over mutual TLS, ws on /channel, and nothing of ours. Arguments: the
// folder with tls.key, tls.crt and ca.crt, and a file for its database.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fastify from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';

const [folder = '', file = ''] = process.argv.slice(2);
/** As the product's: 5,000 that connect at once are not refused by the kernel. */
const BACKLOG = 4_096;

const app = fastify({
  https: {
    key: readFileSync(join(folder, 'tls.key')),
    cert: readFileSync(join(folder, 'tls.crt')),
    ca: readFileSync(join(folder, 'ca.crt')),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  },
});

const sockets = new Set<WebSocket>();
const upgrades = new WebSocketServer({ noServer: true, perMessageDeflate: false });
(app.server as unknown as Server).on('upgrade', (request, socket, head) => {
  upgrades.handleUpgrade(request, socket, head, channel => {
    sockets.add(channel);
    channel.on('close', () => sockets.delete(channel));
    channel.on('error', () => {});
  });
});

app.get<{ Querystring: { bytes: string } }>('/bytes', async ({ query }, reply) =>
  reply.type('application/json').send(bodyOf(Number(query.bytes))),
);
app.post<{ Querystring: { bytes: string } }>('/broadcast', async ({ query }) => {
  const frame = bodyOf(Number(query.bytes));
  for (const socket of sockets) socket.send(frame);
  return {};
});

const bodies = new Map<number, string>();
function bodyOf(bytes: number): string {
  const made =
    bodies.get(bytes) ?? JSON.stringify({ padding: 'x'.repeat(Math.max(0, bytes - '{"padding":""}'.length)) });
  bodies.set(bytes, made);
  return made;
}

/** What one login cannot do without: a signature verified, one made, and one durable write that it shares with others. */
const database = new Database(file);
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT');
const insert = database.prepare('INSERT INTO entries (entry) VALUES (?)');
const insertAll = database.transaction((entries: readonly string[]) => {
  for (const entry of entries) insert.run(entry);
});
let waiting: { readonly entry: string; resolve(): void }[] = [];
function commit(entry: string): Promise<void> {
  return new Promise(resolve => {
    waiting.push({ entry, resolve });
    if (waiting.length > 1) return;
    setImmediate(() => {
      const together = waiting;
      waiting = [];
      insertAll(together.map(one => one.entry));
      for (const one of together) one.resolve();
    });
  });
}

type RawLogin = { readonly key: string; readonly signed: string; readonly proof: string; readonly answerBytes: number };
let own: KeyObject | undefined;
app.post<{ Body: RawLogin & { readonly ownKey: string } }>('/key', async ({ body }) => {
  const { createPrivateKey } = await import('node:crypto');
  own = createPrivateKey(body.ownKey);
  return {};
});
app.post<{ Body: RawLogin }>('/login', async ({ body }, reply) => {
  const key = createPublicKey({ key: Buffer.from(body.key, 'base64url'), format: 'der', type: 'spki' });
  const bytes = Buffer.from(body.signed);
  if (own === undefined || !verify(null, bytes, key, Buffer.from(body.proof, 'base64url')))
    return reply.code(401).send({});
  const token = sign(null, bytes, own).toString('base64url');
  await commit(JSON.stringify(body));
  return reply.type('application/json').send(`${bodyOf(body.answerBytes).slice(0, -1)},"token":"${token}"}`);
});

await app.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG });
console.log(`READY ${(app.server.address() as AddressInfo).port}`);
