import type { ServerRole, StatementServer } from '@thinman/protocol';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { Replica, ServerIdentity } from '../ports.ts';

type Who = Pick<ServerIdentity, 'instance' | 'keyHash' | 'wrappingKey'>;

/**
 * The role is data: whom the site row names administers. A statement of a later epoch counts more: another server was promoted,
 * or restored in the place of this one, and this one's database may not know. Before the first sync the newest statement says so.
 */
export function roleOf(who: Who, replica: Pick<Replica, 'site'>, { statement }: HeldStatement): ServerRole {
  const site = replica.site();
  if (site !== undefined && site.version.epoch >= statement.epoch) {
    return site.primaryInstance === who.instance ? 'primary' : 'secondary';
  }
  const own = statement.servers.find(server => isSameServer(server, who));
  return own?.role ?? 'secondary';
}

/** It was the Primary by all that its database says, and another one has been promoted. */
export function isSuperseded(who: Who, replica: Pick<Replica, 'site'>, held: HeldStatement): boolean {
  return replica.site()?.primaryInstance === who.instance && roleOf(who, replica, held) === 'secondary';
}

/** One that was restored on another host has the same TLS key, and another wrapping key. */
export function isSameServer(
  listed: Pick<StatementServer, 'keyHash' | 'wrappingKey'>,
  who: Omit<Who, 'instance'>,
): boolean {
  return listed.keyHash === who.keyHash && listed.wrappingKey === who.wrappingKey;
}
