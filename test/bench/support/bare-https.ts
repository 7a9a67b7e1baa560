import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Processes } from '../../support/processes.ts';
import { createTrust } from '../../support/trust.ts';
import { timed } from './interleave.ts';

/** What a request costs with nothing behind it: mutual TLS by `node:https` alone, the server in a process of its own. */
export type BareHttps = Disposable & {
  /** ms of one empty request over a connection that is kept open. */
  requestMs(): Promise<number>;
};

export async function startBareHttps(folder: string, processes: Processes): Promise<BareHttps> {
  const trust = await createTrust();
  const [server, device] = [await trust.server(), await trust.device()];
  mkdirSync(folder, { recursive: true });
  const files = { key: server.key, certificate: server.certificate, ca: trust.caCertificate };
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(folder, `${name}.pem`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  });
  const running = processes.start('bare-https', join(import.meta.dirname, 'bare-https-server.ts'), paths);
  const port = Number((await running.waitForLine(/^READY /)).split(' ')[1]);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca: trust.caCertificate,
    key: device.key,
    cert: device.certificate,
  });
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      request({ host: '127.0.0.1', port, agent, method: 'GET', path: '/' }, response => {
        response.resume().on('end', resolve).on('error', reject);
      })
        .on('error', reject)
        .end();
    });
  return { requestMs: () => timed(ask), [Symbol.dispose]: () => agent.destroy() };
}
