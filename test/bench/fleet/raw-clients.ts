import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { Client } from 'undici';
import { WebSocket } from 'ws';
import type { DeviceIdentity } from '../../../packages/agent/src/ports.ts';
import type { Processes, Running } from '../../support/processes.ts';

/** The raw server in a process of its own, with the certificate of a server of the site. */
export type RawServer = { readonly process: Running; readonly port: number };

export async function startRawServer(serverData: string, folder: string, processes: Processes): Promise<RawServer> {
  mkdirSync(folder, { recursive: true });
  for (const file of ['tls.key', 'tls.crt']) copyFileSync(join(serverData, 'identity', file), join(folder, file));
  copyFileSync(join(serverData, 'ca.crt'), join(folder, 'ca.crt'));
  const script = join(import.meta.dirname, 'raw-server.ts');
  const running = processes.start('raw-server', script, [folder, join(folder, 'raw.db')]);
  const port = Number((await running.waitForLine(/^READY /)).split(' ')[1]);
  return { process: running, port };
}

/** What each client has for itself; as on real devices, nothing of it can be shared. */
export function contextOf({ privateKey, certificate, caCertificates }: DeviceIdentity): SecureContext {
  return createSecureContext({ key: privateKey, cert: certificate, ca: [...caCertificates], minVersion: 'TLSv1.3' });
}

/** Opens all of them at once; resolves when each is open. */
export function openRawChannels(port: number, identities: readonly DeviceIdentity[]): Promise<readonly WebSocket[]> {
  return Promise.all(identities.map(identity => openRawChannel(port, contextOf(identity))));
}

function openRawChannel(port: number, secureContext: SecureContext): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const options = { perMessageDeflate: false, secureContext, rejectUnauthorized: true };
    const socket = new WebSocket(`wss://127.0.0.1:${port}/channel`, options);
    socket.on('open', () => resolve(socket));
    socket.on('error', reject);
  });
}

/** One connection that is kept open, with one device's certificate. */
export function rawClient(port: number, identity: DeviceIdentity): Client {
  const secureContext = contextOf(identity);
  return new Client(`https://127.0.0.1:${port}`, {
    connect(_options, callback) {
      const socket = connectTls({ host: '127.0.0.1', port, secureContext });
      socket.setNoDelay(true);
      socket.once('secureConnect', () => callback(null, socket));
      socket.once('error', error => callback(error, null));
    },
  });
}

export async function rawAsk(client: Client, method: 'GET' | 'POST', path: string, body?: string): Promise<void> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await client.request({ method, path, headers, ...(body !== undefined && { body }) });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`the raw server answers ${answer.statusCode} to ${path}`);
}
