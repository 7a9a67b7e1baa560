import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, listens } from '../loopback.ts';
import type { Running } from '../processes.ts';
import { feedProgram, startProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import { AS_ROOT, type DatabaseServer } from './database-server.ts';
import { ensureMysqlRouter, MYSQL_ROUTER_PLUGINS, mysqlRouterCommand } from './mysql9-root.ts';

export type MysqlRouter = AsyncDisposable & {
  /** `mysql://…` to whichever member takes writes. */
  url(user: string, password: string, database: string): string;
  isRunning(): boolean;
  kill(): Promise<void>;
  /** On the same port, and waits until it listens. */
  restart(): Promise<void>;
};

/**
 * MySQL Router before an InnoDB Cluster, on 127.0.0.1, set up by its own bootstrap from what the cluster says of itself. `folder` is
 * its own, removed when it is disposed of.
 */
export async function startMysqlRouter(folder: string, primary: DatabaseServer): Promise<MysqlRouter> {
  if (!ensureMysqlRouter()) throw new Error('MySQL Router cannot be had here, see above');
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const [loader, ...program] = mysqlRouterCommand();
  const bootstrap = [
    ...[`--bootstrap=root@localhost`, `--bootstrap-socket=${primary.socketPath}`],
    ...[`--directory=${join(folder, 'router')}`, ...AS_ROOT],
    ...['--report-host=127.0.0.1', '--conf-bind-address=127.0.0.1', `--conf-base-port=${port}`],
    // What lies beside it, wherever a port is free.
    `--conf-set-option=routing:bootstrap_ro.bind_port=${await freePort()}`,
    `--conf-set-option=routing:bootstrap_rw_split.bind_port=${await freePort()}`,
    ...['--disable-rest', '--conf-skip-x-protocol', `--conf-set-option=DEFAULT.plugin_folder=${MYSQL_ROUTER_PLUGINS}`],
    // Of its questions to a member that hangs; their defaults are 5 and 30 s.
    ...['--connect-timeout=1', '--read-timeout=1'],
  ];
  // Root's password, of which there is none.
  await feedProgram('\n', loader, ...program, ...bootstrap);
  let running: Running | undefined;
  const start = async () => {
    const started = startProgram({
      name: 'mysqlrouter',
      command: [loader, ...program, '--config', join(folder, 'router/mysqlrouter.conf'), ...AS_ROOT],
      logs: folder,
    });
    running = started;
    await waitFor('MySQL Router to listen', async () => {
      if (!started.isRunning()) throw new Error(`MySQL Router did not start:\n${started.stderr()}`);
      return (await listens(port)) || undefined;
    });
  };
  const kill = async () => void (await running?.kill());
  unfinished.defer(kill);
  await start();
  const owned = unfinished.move();
  return {
    ...{ kill, restart: start },
    isRunning: () => running?.isRunning() === true,
    url: (user, password, database) =>
      `mysql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
