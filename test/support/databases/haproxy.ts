import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort, listens } from '../loopback.ts';
import type { Running } from '../processes.ts';
import { startProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import type { DatabaseServer } from './database-server.ts';

export type DatabaseProxy = AsyncDisposable & {
  readonly host: string;
  readonly port: number;
  readonly process: Running;
  /** `mysql://…` to whichever server is up. */
  url(user: string, password: string, database: string): string;
};

export type ProxyOptions = {
  /** Its own: made if it is not there, removed when the proxy is disposed of. */
  readonly folder: string;
  /** The first one that is usable is used, and no other: two that are written to at once would refuse each other's commits. */
  readonly servers: readonly DatabaseServer[];
  /** Asked every 200 ms, as the usual "clustercheck" beside each node is. No answer is a no. */
  readonly isUsable: (server: DatabaseServer) => Promise<boolean>;
};

/** HAProxy in front of several database servers, on 127.0.0.1. A server that fails two checks loses its connections. */
export async function startHaproxy({ folder, servers, isUsable }: ProxyOptions): Promise<DatabaseProxy> {
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const lines: string[] = [];
  for (const [index, server] of servers.entries()) {
    const check = unfinished.use(await answerChecks(() => isUsable(server)));
    const place = index === 0 ? 'on-marked-up shutdown-backup-sessions' : 'backup';
    lines.push(`  server server${index + 1} ${server.host}:${server.port} check port ${check.port} ${place}`);
  }
  const configuration = join(folder, 'haproxy.cfg');
  await writeFile(configuration, `${CONFIGURATION}  bind 127.0.0.1:${port}\n${lines.join('\n')}\n`);
  const running = startProgram({ name: 'haproxy', command: ['haproxy', '-db', '-f', configuration], logs: folder });
  unfinished.defer(async () => void (await running.kill()));
  await waitFor('HAProxy to listen', async () => {
    if (!running.isRunning()) throw new Error(`HAProxy did not start:\n${running.stderr()}`);
    return (await listens(port)) || undefined;
  });
  const owned = unfinished.move();
  return {
    host: '127.0.0.1',
    port,
    process: running,
    url: (user, password, database) =>
      `mysql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const CONFIGURATION = `
defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout check 500ms
  default-server inter 200ms fall 2 rise 2 on-marked-down shutdown-sessions

listen database
  option httpchk
`;

async function answerChecks(isUsable: () => Promise<boolean>): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_request, response) => {
    const answer = (usable: boolean) => response.writeHead(usable ? 200 : 503).end();
    isUsable().then(answer, () => answer(false));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
