import 'reflect-metadata';
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createTcp, type Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import { X509Certificate as ParsedCertificate, X509CertificateGenerator } from '@peculiar/x509';
import { P256, P256_SHA256 } from '../../packages/server/src/identity/csr.ts';
import { keyHashOf } from '../../packages/server/src/identity/key-hash.ts';
import type { Server } from './server-commands.ts';
import { type Credential, type Trust, trustOf } from './trust.ts';

/** Somebody else who listens where a server should. It notes all that it is told. */
export type Impostor = AsyncDisposable & {
  /** How often somebody connected. */
  visits(): number;
  /** All that came after a TLS handshake; of an impostor without TLS, all that came. */
  heard(): Buffer;
};

/** What an impostor answers with to whatever it hears; undefined: it is silent. */
export type Reply = (heard: string) => string | undefined;

/** Listens at the place of this server, with TLS. */
export function tlsImpostor({ url }: Server, { key, certificate }: Credential, reply: Reply): Promise<Impostor> {
  const heard: Buffer[] = [];
  // As a server of the site does: it asks for a certificate, and looks at nothing.
  const server = createTls({ key, cert: certificate, requestCert: true, rejectUnauthorized: false }, socket =>
    converse(socket, heard, reply),
  );
  return listen(server, url, heard);
}

/** Listens at the place of this server, without TLS. */
export function plainImpostor({ url }: Server, reply: Reply): Promise<Impostor> {
  const heard: Buffer[] = [];
  return listen(
    createTcp(socket => converse(socket, heard, reply)),
    url,
    heard,
  );
}

function converse(socket: Socket, heard: Buffer[], reply: Reply): void {
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    heard.push(chunk);
    const answer = reply(chunk.toString('latin1'));
    if (answer !== undefined) socket.write(answer);
  });
}

async function listen(server: NetServer, url: string, heard: readonly Buffer[]): Promise<Impostor> {
  const sockets = new Set<Socket>();
  let visits = 0;
  server.on('connection', (socket: Socket) => {
    visits += 1;
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
  });
  const { hostname, port } = new URL(url);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(Number(port), hostname, resolve);
  });
  return {
    visits: () => visits,
    heard: () => Buffer.concat(heard),
    [Symbol.asyncDispose]: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The CA of a site, as whoever has stolen the Primary's folder could use it. */
export function stolenTrust(primary: Server): Trust {
  const key = createPrivateKey(readFileSync(join(primary.data, 'identity', 'ca.key')));
  return trustOf({ key, certificatePem: readFileSync(join(primary.data, 'ca.crt'), 'utf8') });
}

/** The key of a server, stolen, and its own certificate. */
export function stolenCredential({ data }: Pick<Server, 'data'>): Credential {
  return credentialIn(join(data, 'identity'), 'tls');
}

/** The key and the certificate of a thin client. */
export function deviceCredential({ data }: { readonly data: string }): Credential {
  return credentialIn(join(data, 'identity'), 'device');
}

/** All that this certificate says, with the same key, signed by nobody but itself. */
export async function selfSignedTwin({ key: pem, certificate, keyHash }: Credential): Promise<Credential> {
  const key = createPrivateKey(pem);
  const { subject, notBefore, notAfter, extensions } = new ParsedCertificate(certificate);
  const keys = {
    privateKey: key.toCryptoKey(P256, true, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(P256, true, ['verify']),
  };
  const twin = await X509CertificateGenerator.createSelfSigned(
    { keys, name: subject, notBefore, notAfter, extensions, signingAlgorithm: P256_SHA256 },
    webcrypto,
  );
  return { key: pem, certificate: twin.toString('pem'), keyHash };
}

function credentialIn(folder: string, name: string): Credential {
  const key = readFileSync(join(folder, `${name}.key`), 'utf8');
  const certificate = readFileSync(join(folder, `${name}.crt`), 'utf8');
  return { key, certificate, keyHash: keyHashOf(createPrivateKey(key)) };
}
