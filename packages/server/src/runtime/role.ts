import type { ServerRole } from '@thinman/protocol';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { Replica, ServerIdentity } from '../ports.ts';

type Who = Pick<ServerIdentity, 'instance' | 'keyHash'>;

/**
 * The role is data: whom the site row names administers. A statement of a later epoch counts more: another server was promoted,
 * and this one's database may not know. Before the first sync the newest statement says so.
 */
export function roleOf(who: Who, replica: Pick<Replica, 'site'>, { statement }: HeldStatement): ServerRole {
  const site = replica.site();
  if (site !== undefined && site.version.epoch >= statement.epoch) {
    return site.primaryInstance === who.instance ? 'primary' : 'secondary';
  }
  return statement.servers.find(({ keyHash }) => keyHash === who.keyHash)?.role ?? 'secondary';
}

/** It was the Primary by all that its database says, and another one has been promoted. */
export function isSuperseded(who: Who, replica: Pick<Replica, 'site'>, held: HeldStatement): boolean {
  return replica.site()?.primaryInstance === who.instance && roleOf(who, replica, held) === 'secondary';
}
