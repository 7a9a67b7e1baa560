// HALF on one database that is highly available already: an InnoDB Cluster behind MySQL Router.
import { join } from 'node:path';
import { createAccounts } from './databases/accounts.ts';
import { type InnodbCluster, startInnodbCluster } from './databases/innodb-cluster.ts';
import { type MysqlRouter, startMysqlRouter } from './databases/mysql-router.ts';
import { ACCOUNTS } from './redundant-site.ts';
import type { Surroundings } from './system-test.ts';

export type OnInnodbCluster = Surroundings & { readonly cluster: InnodbCluster; readonly router: MysqlRouter };

/** Starts three members and the Router in `folder`. */
export async function surroundInnodbCluster(folder: string): Promise<OnInnodbCluster> {
  await using unfinished = new AsyncDisposableStack();
  const cluster = unfinished.use(await startInnodbCluster({ folder: join(folder, 'cluster') }));
  const primary = await cluster.primary();
  const router = unfinished.use(await startMysqlRouter(join(folder, 'router'), primary));
  await createAccounts(primary, ACCOUNTS);
  const urlOf = (role: 'primary' | 'secondary') =>
    router.url(ACCOUNTS[role].user, ACCOUNTS[role].password, ACCOUNTS.database);
  const owned = unfinished.move();
  return {
    ...{ cluster, router },
    databases: { primary: urlOf('primary'), secondary: urlOf('secondary') },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
