import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTls, type TLSSocket } from 'node:tls';
import type { StatementServer } from '@thinman/protocol';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';
import { DEVICE_ID, SITE_ID } from './ids.ts';
import { type Credential, statementServer, type Trust } from './trust.ts';

/** A listening server of a test, and how a statement names it. */
export type Lab = {
  readonly server: StatementServer;
  /** TLS handshakes that were completed, and (of `tlsLab`) the bytes that came after them. */
  readonly seen: { handshakes: number; bytes: number };
  /** Of the connections that are open now. */
  readonly sockets: ReadonlySet<TLSSocket>;
  onUpgrade(listener: (request: IncomingMessage, socket: Duplex, head: Buffer) => void): void;
  stop(): Promise<void>;
};

const tlsOptions = ({ key, certificate }: Credential, trust: Trust) => ({
  key,
  cert: certificate,
  ca: trust.caCertificate,
  requestCert: true,
  // As on a server of the site: it asks for the certificate and judges it itself.
  rejectUnauthorized: false,
});

/** An HTTPS server like a server of the site: asks for a certificate, and looks at it itself. */
export function httpsLab(trust: Trust, credential: Credential, listener: RequestListener): Promise<Lab> {
  const server = createHttps(tlsOptions(credential, trust), listener);
  return listen(server, credential.keyHash);
}

/** A TLS server that does as it likes with the bytes. */
export function tlsLab(trust: Trust, credential: Credential, onSocket: (socket: TLSSocket) => void): Promise<Lab> {
  const server = createTls(tlsOptions(credential, trust), onSocket);
  return listen(server, credential.keyHash);
}

async function listen(server: Server, keyHash: string): Promise<Lab> {
  const seen = { handshakes: 0, bytes: 0 };
  const sockets = new Set<TLSSocket>();
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    seen.handshakes += 1;
    sockets.add(socket);
    // Counts what is read by whoever reads; a bare TLS server reads nothing unless asked to.
    const push = socket.push.bind(socket);
    socket.push = chunk => {
      seen.bytes += chunk?.length ?? 0;
      return push(chunk);
    };
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server: statementServer(`https://127.0.0.1:${port}`, keyHash),
    seen,
    sockets,
    onUpgrade: listener => void server.on('upgrade', listener),
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** A device of the site. */
export async function deviceIdentity(trust: Trust): Promise<DeviceIdentity> {
  const { key, certificate, keyHash } = await trust.device();
  return {
    siteId: SITE_ID,
    deviceId: DEVICE_ID,
    name: 'tc-1',
    privateKey: key,
    certificate,
    caCertificates: [trust.caCertificate],
    keyHash,
    deviceSecret: randomBytes(32),
  };
}
