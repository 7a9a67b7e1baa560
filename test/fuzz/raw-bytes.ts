import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc, { type Arbitrary } from 'fast-check';
import { pino } from 'pino';
import { createLocalApp } from '../../packages/server/src/http/app.ts';
import { health } from '../../packages/server/src/http/health.ts';
import { createMetrics } from '../../packages/server/src/http/metrics/metrics.ts';
import { createAdminSite } from '../support/admin-site.ts';
import { openLocalSockets } from './local-sockets.ts';
import type { OpenTarget, Target } from './target.ts';

const PIECES = [
  ...['GET /readyz HTTP/1.1\r\n', 'POST /v1/login HTTP/1.1\r\n', 'GET /v1/status HTTP/1.0\r\n', 'PRI * HTTP/2.0\r\n'],
  ...['host: a\r\n', 'host: b\r\n', 'content-type: application/json\r\n', 'connection: close\r\n', 'x: y\r\n'],
  ...['content-length: 2\r\n', 'content-length: 3\r\n', 'content-length: -1\r\n', 'content-length: 2, 3\r\n'],
  ...['transfer-encoding: chunked\r\n', 'transfer-encoding: xchunked\r\n', 'transfer-encoding: gzip, chunked\r\n'],
  ...['expect: 100-continue\r\n', 'upgrade: websocket\r\nconnection: upgrade\r\n', 'upgrade: h2c\r\n'],
  ...['\r\n', '\n', '\r', '{}', '2\r\n{}\r\n0\r\n\r\n', 'ffffffffffffffff\r\n', '0\r\nx: y\r\n\r\n', '\0', ' ', ':'],
  ...[`x: ${'a'.repeat(20_000)}\r\n`, `${'x: y\r\n'.repeat(3_000)}`, 'GET', 'HTTP/1.1', '\u202e\r\n'],
];

const bytes: Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...PIECES).map(text => Buffer.from(text)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array)) },
    ),
    { maxLength: 12 },
  )
  .map(parts => Buffer.concat([...parts, ...(parts.length % 2 === 0 ? [Buffer.from('\r\n')] : [])]));

/** What nearly is HTTP, on a connection of its own: every answer has a head, none is a failure, the connection ends. */
function rawTarget(listen: () => Promise<{ readonly path: string; close(): Promise<void> }>) {
  return async (): Promise<OpenTarget<Uint8Array>> => {
    const { path, close } = await listen();
    return { check: async input => wrongInHeads(await exchange(path, input)), close };
  };
}

const LOST: readonly unknown[] = ['ECONNRESET', 'EPIPE'];

function exchange(path: string, input: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('latin1').on('data', chunk => {
      text += chunk;
    });
    // The server may cut off somebody who is still sending.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!LOST.includes(error.code)) reject(error);
    });
    socket.on('close', () => resolve(text));
    socket.end(input);
  });
}

function wrongInHeads(text: string): string | undefined {
  if (text === '') return undefined;
  if (!/^HTTP\/1\.1 \d{3} /.test(text)) return `no answer of HTTP: ${text.slice(0, 100)}`;
  const [failure] = /HTTP\/1\.1 5\d\d .*/.exec(text) ?? [];
  return failure === undefined ? undefined : `${failure}: ${text.slice(0, 300)}`;
}

/** Node's parser and fastify behind it, as on the network without TLS. */
export function serverBytes(): Target<Uint8Array> {
  return {
    name: 'server-bytes',
    parts: 4,
    inputs: bytes,
    open: rawTarget(async () => {
      const site = await createAdminSite();
      const folder = mkdtempSync(join(tmpdir(), 'thinman-fuzz-'));
      const app = createLocalApp({ log: pino({ level: 'silent' }) });
      await app.register(health({ status: site.deps.status, metrics: createMetrics(site.deps.status) }));
      app.post('/v1/login', async () => ({}));
      const path = join(folder, 'raw.sock');
      await app.listen({ path });
      return {
        path,
        async close() {
          await app.close();
          await site.close();
          rmSync(folder, { recursive: true });
        },
      };
    }),
  };
}

/** The agent's own sockets, which have no fastify. */
export function agentBytes(): Target<Uint8Array> {
  return {
    name: 'agent-bytes',
    parts: 4,
    inputs: bytes,
    open: rawTarget(async () => {
      const { paths, close } = await openLocalSockets();
      return { path: paths.loginSocket, close };
    }),
  };
}
