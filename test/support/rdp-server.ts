import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Running } from './processes.ts';
import { startProgram } from './programs.ts';
import { waitFor } from './wait.ts';

const execute = promisify(execFile);

export type RdpServer = AsyncDisposable & { start(): Promise<void>; kill(): Promise<void> };

/**
 * A real RDP server on loopback that shows what is on `display` (FreeRDP's shadow server), to those with a right password
 * alone: it asks for network level authentication, and knows one user; without `user`: to anybody. Needs freerdp2-shadow-x11 and
 * winpr-utils.
 */
export async function createRdpServer(options: {
  readonly folder: string;
  readonly display: string;
  readonly port: number;
  readonly user?: { readonly name: string; readonly password: string };
}): Promise<RdpServer> {
  const { folder, display, port, user } = options;
  const users = join(folder, 'rdp-users');
  if (user !== undefined) {
    const { stdout: hash } = await execute('winpr-hash', ['-u', user.name, '-p', user.password]);
    writeFileSync(users, `${user.name}:::${hash.trim()}:::\n`, { mode: 0o600 });
  }
  const who = user === undefined ? ['/sec:tls', '-auth'] : ['/sec:nla', `/sam-file:${users}`];
  let server: Running | undefined;
  const kill = async () => {
    await server?.kill();
  };
  return {
    async start() {
      server = startProgram({
        name: 'rdp-server',
        command: [...(['freerdp-shadow-cli', `/port:${port}`, '/bind-address:127.0.0.1'] as const), ...who],
        logs: join(folder, 'logs'),
        env: { DISPLAY: display, HOME: folder },
      });
      await waitFor('the RDP server to listen', () => listens(port));
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

function listens(port: number): Promise<true | undefined> {
  return new Promise(resolve => {
    const probe = connect(port, '127.0.0.1');
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(undefined));
  });
}
