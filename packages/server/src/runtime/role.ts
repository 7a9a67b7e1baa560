import type { ServerRole } from '@thinman/protocol';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { Replica, ServerIdentity } from '../ports.ts';

/** The role is data: whom the site row names administers. Before the first sync the newest statement says so. */
export function roleOf(
  identity: Pick<ServerIdentity, 'instance' | 'keyHash'>,
  replica: Pick<Replica, 'site'>,
  { statement }: HeldStatement,
): ServerRole {
  const site = replica.site();
  if (site !== undefined) return site.primaryInstance === identity.instance ? 'primary' : 'secondary';
  return statement.servers.find(({ keyHash }) => keyHash === identity.keyHash)?.role ?? 'secondary';
}
