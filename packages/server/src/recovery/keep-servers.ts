import { canonicalJson, type SiteStatement } from '@thinman/protocol';
import type { WriteDeps } from '../admin-plane/admin-deps.ts';
import { renewDataKey } from '../admin-plane/renew-data-key.ts';
import type { CommitTransaction, StoredObject } from '../ports.ts';

/**
 * Who is a server, and which CAs count, is no matter of backups: a server that was removed since is not let in again, one that
 * has joined since is not lost. What this server knows of them takes the place of what the state of the database says. Only where it
 * knows the newer: `whose-servers.ts`.
 */
export async function keepServers(
  deps: Pick<WriteDeps, 'replica' | 'dataKey' | 'identity'>,
  transaction: CommitTransaction,
  statement: SiteStatement,
): Promise<void> {
  const { replica } = deps;
  const isMember = ({ system }: StoredObject) => statement.servers.some(({ keyHash }) => keyHash === system.keyHash);
  const members = replica.list('Server').filter(isMember);
  const there = await transaction.list('Server');
  for (const server of there) {
    if (!isMember(server)) await transaction.remove('Server', server.name);
  }
  for (const { name, body, system } of members) {
    const before = there.find(server => server.name === name);
    const isSame =
      before !== undefined && canonicalJson([before.body, before.system]) === canonicalJson([body, system]);
    if (!isSame) await transaction.put('Server', name, { ...body }, { ...system });
  }
  // Whoever has a removed server has the data key of its time (ADR 0027).
  if (!there.every(isMember)) await renewDataKey(deps, transaction);
  const site = replica.site();
  if (site === undefined) return;
  const { caCertificates, wrappedCaKey } = site;
  await transaction.setSiteCas({ caCertificates, wrappedCaKey });
}
