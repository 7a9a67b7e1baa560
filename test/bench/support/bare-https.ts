import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Host } from '../../support/network/network.ts';
import type { Processes } from '../../support/processes.ts';
import { createTrust } from '../../support/trust.ts';
import { timed } from './interleave.ts';

const LOOPBACK = '127.0.0.1';

/** A server of `bare-https-server.ts`, and what a client needs to reach it. */
export type BareServer = {
  readonly port: number;
  readonly tls: { readonly ca: string; readonly key: string; readonly cert: string };
};

/** `host`: where it runs; default: this machine's loopback. */
export async function startBareServer(folder: string, processes: Processes, host?: Host): Promise<BareServer> {
  const trust = await createTrust();
  const address = host?.address ?? LOOPBACK;
  const [server, device] = [await trust.server({ name: address }), await trust.device()];
  mkdirSync(folder, { recursive: true });
  const files = { key: server.key, certificate: server.certificate, ca: trust.caCertificate };
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(folder, `${name}.pem`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  });
  const script = join(import.meta.dirname, 'bare-https-server.ts');
  const args = [...paths, address];
  const running = processes.start('bare-https', script, args, host === undefined ? {} : { inside: host });
  const port = Number((await running.waitForLine(/^READY /)).split(' ')[1]);
  return { port, tls: { ca: trust.caCertificate, key: device.key, cert: device.certificate } };
}

/** What a request costs with nothing behind it: mutual TLS by `node:https` alone, the server in a process of its own. */
export type BareHttps = Disposable & {
  /** ms of one empty request over a connection that is kept open. */
  requestMs(): Promise<number>;
};

export async function startBareHttps(folder: string, processes: Processes): Promise<BareHttps> {
  const { port, tls } = await startBareServer(folder, processes);
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1 });
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      request({ host: LOOPBACK, port, agent, method: 'GET', path: '/' }, response => {
        response.resume().on('end', resolve).on('error', reject);
      })
        .on('error', reject)
        .end();
    });
  return { requestMs: () => timed(ask), [Symbol.dispose]: () => agent.destroy() };
}
