import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../loopback.ts';
import { SYSTEM_PATH, systemProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import type { DatabaseServer } from './database-server.ts';
import { startMariadb } from './mariadb.ts';

const PROVIDER = '/usr/lib/galera/libgalera_smm.so';

/** A node that says nothing is suspected after 2 s and put out after 4 (Galera's own numbers are 5 and 15). */
const TIMEOUTS = {
  'evs.keepalive_period': 'PT0.5S',
  'evs.inactive_check_period': 'PT0.25S',
  'evs.suspect_timeout': 'PT2S',
  'evs.inactive_timeout': 'PT4S',
  'evs.install_timeout': 'PT4S',
  'gcache.size': '16M',
};

/** A whole copy by rsync between nodes on a busy machine. */
const SYNC_PATIENCE_MS = 60_000;

export type GaleraCluster = AsyncDisposable & {
  readonly nodes: readonly DatabaseServer[];
  /** Until this node has all that the others have, and takes statements. Those that run have to answer. */
  waitUntilSynced(node: DatabaseServer): Promise<void>;
};

/** May statements go to this node now, as far as it knows? */
export const isSynced = async (node: DatabaseServer): Promise<boolean> => isReady(await statusOf(node));

/** `SHOW` answers in every state that answers at all. */
async function statusOf(node: DatabaseServer): Promise<ReadonlyMap<unknown, unknown>> {
  const rows = await node.rootQuery("SHOW STATUS LIKE 'wsrep_%'");
  return new Map(rows.map(row => [row.Variable_name, row.Value]));
}

const isReady = (status: ReadonlyMap<unknown, unknown>) =>
  status.get('wsrep_ready') === 'ON' && status.get('wsrep_local_state_comment') === 'Synced';

/**
 * MariaDB nodes that all take writes and agree on each (Galera), on 127.0.0.1. `folder` is its own: made if it is not there,
 * removed when the cluster is disposed of. A node that was killed joins again by `restart()`, as long as another one runs.
 */
export async function startGalera({ folder, size = 3 }: { readonly folder: string; readonly size?: number }) {
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const addresses: string[] = [];
  for (let i = 0; i < size; i++) addresses.push(`127.0.0.1:${await freePort()}`);
  const nodes: DatabaseServer[] = [];
  const waitUntilSynced = async (node: DatabaseServer) => {
    await waitFor(
      `${node.folder} to be synced`,
      async () => {
        // One that joins ends the connections that it took before it had a copy.
        const status = await statusOf(node).catch(() => undefined);
        if (status === undefined) return undefined;
        // One that was put out while it stood still believes for a moment that nothing has happened.
        const others = await Promise.all(nodes.filter(other => other !== node && other.isRunning()).map(statusOf));
        const view = 'wsrep_cluster_conf_id';
        return (isReady(status) && others.every(other => other.get(view) === status.get(view))) || undefined;
      },
      SYNC_PATIENCE_MS,
    );
  };

  // The server puts the second one before all others, unless it is there.
  const env = { PATH: `${await makeRsyncOfRoot(join(folder, 'bin'))}:/usr//bin:${SYSTEM_PATH}` };
  for (const [index, address] of addresses.entries()) {
    const port = await freePort();
    const provider = {
      ...TIMEOUTS,
      'gmcast.listen_addr': `tcp://${address}`,
      'ist.recv_addr': `127.0.0.1:${await freePort()}`,
    };
    const node = await startMariadb({
      folder: join(folder, `node${index + 1}`),
      port,
      env,
      serverId: index + 1,
      // The first one begins a cluster where none is; later it joins like the others.
      firstOptions: index === 0 ? ['--wsrep-new-cluster'] : [],
      options: [
        '--wsrep-on=ON',
        `--wsrep-provider=${PROVIDER}`,
        `--wsrep-cluster-address=gcomm://${addresses.join(',')}`,
        `--wsrep-node-name=node${index + 1}`,
        `--wsrep-node-address=${address}`,
        `--wsrep-node-incoming-address=127.0.0.1:${port}`,
        '--wsrep-sst-method=rsync',
        `--wsrep-sst-receive-address=127.0.0.1:${await freePort()}`,
        `--wsrep-provider-options=${Object.entries(provider)
          .map(([name, value]) => `${name}=${value}`)
          .join(';')}`,
        '--innodb-autoinc-lock-mode=2',
        // Each node counts its own.
        '--gtid-strict-mode=OFF',
      ],
    });
    nodes.push(unfinished.use(node));
    await waitUntilSynced(node);
  }
  const owned = unfinished.move();
  return { nodes, waitUntilSynced, [Symbol.asyncDispose]: () => owned.disposeAsync() } satisfies GaleraCluster;
}

/** Started by root, the rsync of a joining node would work as `nobody`, who may not write into its folders. */
async function makeRsyncOfRoot(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const script = `#!/bin/sh
[ "$1" = --daemon ] && set -- "$@" --dparam=uid=$(id -u) --dparam=gid=$(id -g)
exec ${systemProgram('rsync')} "$@"
`;
  await writeFile(join(folder, 'rsync'), script, { mode: 0o755 });
  return folder;
}
