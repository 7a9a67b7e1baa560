import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../loopback.ts';
import { waitFor } from '../wait.ts';
import type { DatabaseServer } from './database-server.ts';
import { CLUSTER_METADATA, describeCluster } from './innodb-cluster-metadata.ts';
import { startMysql9 } from './mysql9.ts';

/** Of the members among themselves: for what one of them has missed. */
const RECOVERY = { user: 'recovery', password: 'the-recovery-password' } as const;

/** Recovery of a member on a busy machine. */
const ONLINE_PATIENCE_MS = 150_000;

const TIMEOUTS = {
  // One that says nothing for 5 s is suspected (that is fixed), and put out at once (its default is 5 s later).
  member_expel_timeout: '0',
  // Between tries to recover from another member; its default is a minute.
  recovery_reconnect_interval: '1',
};

/** What waits in memory for members that are behind: the default is 1 GB in each. */
const SMALL = { message_cache_size: String(128 * 1024 * 1024) };

export type InnodbCluster = AsyncDisposable & {
  readonly members: readonly DatabaseServer[];
  /** The one that takes writes now, as the others of those that run say it. */
  primary(): Promise<DatabaseServer>;
  /** Until this member is one of the group again, as every other one that runs says it. */
  waitUntilOnline(member: DatabaseServer): Promise<void>;
};

type Seen = { readonly port: number; readonly state: string; readonly role: string };

/** The group as one of its members sees it; nothing when that one does not answer. */
async function seenBy(member: DatabaseServer): Promise<readonly Seen[]> {
  const rows = await member
    .rootQuery(
      'SELECT member_port AS port, member_state AS state, member_role AS role FROM performance_schema.replication_group_members',
    )
    .catch(() => []);
  return rows.map(({ port, state, role }) => ({ port: Number(port), state: String(state), role: String(role) }));
}

/**
 * MySQL servers that agree on each commit (Group Replication), one of which takes writes: an InnoDB Cluster, with the description
 * of itself that MySQL Router asks for. On 127.0.0.1; `folder` is its own: made if it is not there, removed when the cluster is
 * disposed of. A member that was killed joins again by `restart()`, as long as most of them run.
 */
export async function startInnodbCluster({ folder, size = 3 }: { readonly folder: string; readonly size?: number }) {
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const addresses: string[] = [];
  for (let i = 0; i < size; i++) addresses.push(`127.0.0.1:${await freePort()}`);
  const groupName = randomUUID();
  const members: DatabaseServer[] = [];

  const waitUntilOnline = (member: DatabaseServer) =>
    waitFor(
      `${member.folder} to be online`,
      async () => {
        // A member that starts tries once to join: in vain, while the others still count its former life among them.
        const own = (await seenBy(member)).find(({ port }) => port === member.port);
        if (own?.state === 'OFFLINE' || own?.state === 'ERROR') await joinAgain(member);
        const views = await Promise.all(members.filter(each => each.isRunning()).map(seenBy));
        const isOnline = (view: readonly Seen[]) =>
          view.some(({ port, state }) => port === member.port && state === 'ONLINE');
        return views.every(isOnline) || undefined;
      },
      ONLINE_PATIENCE_MS,
    ).then(() => {});

  const primary = async () => {
    for (const member of members.filter(each => each.isRunning())) {
      const found = (await seenBy(member)).find(({ state, role }) => state === 'ONLINE' && role === 'PRIMARY');
      const server = members.find(({ port }) => port === found?.port);
      if (server !== undefined) return server;
    }
    throw new Error('no member takes writes');
  };

  for (const [index, address] of addresses.entries()) {
    const group = {
      ...{ group_name: groupName, local_address: address, group_seeds: addresses.join(','), start_on_boot: 'ON' },
      ...{ recovery_get_public_key: 'ON', ...TIMEOUTS, ...SMALL },
    };
    const member = await startMysql9({
      folder: join(folder, `member${index + 1}`),
      serverId: index + 1,
      options: [
        '--plugin-load-add=group_replication.so',
        '--report-host=127.0.0.1',
        ...Object.entries(group).map(([name, value]) => `--loose-group_replication_${name}=${value}`),
      ],
      // The first one begins the group; whoever starts later joins it.
      firstOptions: [`--loose-group_replication_${index === 0 ? 'bootstrap_group=ON' : 'start_on_boot=OFF'}`],
    });
    members.push(unfinished.use(member));
    if (index > 0) await joinGroup(member);
    await waitUntilOnline(member);
    if (index === 0) await prepareFirst(member);
  }
  const [first] = members;
  if (first === undefined) throw new Error('a cluster has a member');
  await describeCluster(first, { groupName, members });
  const owned = unfinished.move();
  return {
    members,
    primary,
    waitUntilOnline,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  } satisfies InnodbCluster;
}

async function prepareFirst(member: DatabaseServer): Promise<void> {
  const { user, password } = RECOVERY;
  await member.rootScript(`
    CREATE USER ${user}@'%' IDENTIFIED BY '${password}';
    GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO ${user}@'%';
    ${changeSource}; ${CLUSTER_METADATA}
  `);
}
const changeSource = `CHANGE REPLICATION SOURCE TO SOURCE_USER = '${RECOVERY.user}', SOURCE_PASSWORD = '${RECOVERY.password}'
  FOR CHANNEL 'group_replication_recovery'`;

/** As an administrator would (`cluster.rejoinInstance()`). One that is joining by itself refuses it, which is fine. */
async function joinAgain(member: DatabaseServer): Promise<void> {
  await member.rootScript('STOP GROUP_REPLICATION; START GROUP_REPLICATION').catch(() => {});
}

async function joinGroup(member: DatabaseServer): Promise<void> {
  await member.rootScript(`${changeSource}; START GROUP_REPLICATION`);
}
