import { isNewerStatement, type SiteStatement } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { verifyStatement } from '../identity/statement.ts';
import type { ServerIdentity, SiteRow } from '../ports.ts';
import { isSameServer } from '../runtime/role.ts';

/** `ours`: what this server knows of servers and CAs takes the place of what the database says. */
export type ServersOf = 'ours' | 'theirs';

/**
 * Who is a server, and which CAs count, goes by the newer statement: of a database that was restored, this server's own; of one that is
 * ahead of it (a Master that outlived its server), that database's. Refuses where that one has removed this server, or trusts other CAs.
 */
export function whoseServers(
  { site, forked }: { readonly site: Pick<SiteRow, 'statement'>; readonly forked: boolean },
  by: {
    readonly identity: Pick<ServerIdentity, 'keyHash' | 'wrappingKey'>;
    readonly held: SiteStatement;
    readonly caCertificates: readonly string[];
  },
): Outcome<ServersOf> {
  const { identity, held, caCertificates } = by;
  const there = verifyStatement(site.statement, caCertificates);
  if (there === undefined) {
    if (forked) return done('ours');
    return refused('forbidden', {
      detail: 'The site statement in the database is under a CA that this server does not know: join this server anew.',
    });
  }
  const isOurs = forked ? !isNewerStatement(there, held) : isNewerStatement(held, there);
  if (isOurs) return done('ours');
  if (there.servers.some(server => isSameServer(server, identity))) return done('theirs');
  return refused('forbidden', {
    detail: 'By what the database says this server is no longer one of the site: join it again.',
  });
}
