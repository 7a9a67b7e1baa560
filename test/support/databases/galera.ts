import { mkdir, writeFile } from 'node:fs/promises';
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
  /** Until this node has all that the cluster has, and takes statements. */
  waitUntilSynced(node: DatabaseServer): Promise<void>;
};

/** May statements go to this node now? `SHOW` answers in every state that answers at all. */
export async function isSynced(node: DatabaseServer): Promise<boolean> {
  const rows = await node.rootQuery("SHOW STATUS LIKE 'wsrep_%'");
  const value = (name: string) => rows.find(row => row.Variable_name === name)?.Value;
  return value('wsrep_ready') === 'ON' && value('wsrep_local_state_comment') === 'Synced';
}

/**
 * MariaDB nodes that all take writes and agree on each (Galera), on 127.0.0.1, made in folders `node1` … of `folder`. A node
 * that was killed joins again by `restart()`, as long as another one runs.
 */
export async function startGalera({ folder, size = 3 }: { readonly folder: string; readonly size?: number }) {
  await using unfinished = new AsyncDisposableStack();
  const addresses: string[] = [];
  for (let i = 0; i < size; i++) addresses.push(`127.0.0.1:${await freePort()}`);
  const waitUntilSynced = async (node: DatabaseServer) => {
    const look = async () => (await isSynced(node)) || undefined;
    await waitFor(`${node.folder} to be synced`, look, SYNC_PATIENCE_MS);
  };

  // The server puts the second one before all others, unless it is there.
  const env = { PATH: `${await makeRsyncOfRoot(join(folder, 'bin'))}:/usr//bin:${SYSTEM_PATH}` };
  const nodes: DatabaseServer[] = [];
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
