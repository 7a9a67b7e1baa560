// HALF on one database that is highly available already: Galera nodes behind HAProxy.
import { join } from 'node:path';
import { createAccounts } from './databases/accounts.ts';
import { type GaleraCluster, isSynced, startGalera } from './databases/galera.ts';
import { type DatabaseProxy, startHaproxy } from './databases/haproxy.ts';
import { ACCOUNTS } from './redundant-site.ts';
import type { Surroundings } from './system-test.ts';

export type OnGalera = Surroundings & { readonly cluster: GaleraCluster; readonly proxy: DatabaseProxy };

/** Starts three nodes and the proxy in `folder`. */
export async function surroundGalera(folder: string): Promise<OnGalera> {
  await using unfinished = new AsyncDisposableStack();
  const cluster = unfinished.use(await startGalera({ folder: join(folder, 'cluster') }));
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('the cluster has no node');
  const proxy = unfinished.use(
    await startHaproxy({ folder: join(folder, 'proxy'), servers: cluster.nodes, isUsable: isSynced }),
  );
  await createAccounts(first, ACCOUNTS);
  for (const node of cluster.nodes) await cluster.waitUntilSynced(node);
  const urlOf = (role: 'primary' | 'secondary') =>
    proxy.url(ACCOUNTS[role].user, ACCOUNTS[role].password, ACCOUNTS.database);
  const owned = unfinished.move();
  return {
    ...{ cluster, proxy },
    databases: { primary: urlOf('primary'), secondary: urlOf('secondary') },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
