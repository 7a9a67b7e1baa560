import {
  type DirectoryBody,
  parseValue,
  type ServerBody,
  ServerSystem,
  type SiteStatement,
  type StatementServer,
} from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';

export type StatementParts = {
  readonly siteId: string;
  readonly epoch: number;
  /** Of the commit that began it; undefined: no one has said. */
  readonly epochId?: string | undefined;
  /** The generation of the commit that sets it: it rises with every statement, whoever makes two at a time. */
  readonly version: number;
  readonly primaryInstance: string;
  readonly caPins: readonly string[];
  readonly servers: readonly StoredObject[];
  readonly directories: readonly StoredObject[];
};

/** What the site says of itself, from its objects. The order of preference: Primary, then `order`, then name. */
export function composeStatement(parts: StatementParts): SiteStatement {
  const { siteId, epoch, epochId, version, caPins } = parts;
  const entries = parts.servers
    .filter(({ deleted }) => !deleted)
    .map(server => ({ order: (server.body as ServerBody).order ?? 0, entry: entryOf(server, parts.primaryInstance) }))
    .toSorted((a, b) => rank(a.entry) - rank(b.entry) || a.order - b.order || byName(a.entry, b.entry));
  const directories = parts.directories.filter(({ deleted }) => !deleted).map(({ body }) => body as DirectoryBody);
  const suffixes = directories
    .flatMap(({ suffix, domain }) => [suffix, domain])
    .flatMap(name => name?.toLowerCase() ?? [])
    .toSorted();
  const plainNames = directories.some(directory => directory.plainNames ?? true);
  return {
    ...{ siteId, epoch, ...(epochId !== undefined && { epochId }), version, caPins: [...caPins] },
    servers: entries.map(({ entry }) => entry),
    directorySuffixes: [...new Set(suffixes)],
    ...(plainNames && { directoryPlainNames: true }),
  };
}

function entryOf({ name, body, system }: StoredObject, primaryInstance: string): StatementServer {
  const parsed = parseValue(ServerSystem, system);
  if (!parsed.ok) throw new Error(`the Server ${name} has no keys`);
  const { instance, keyHash, sessionKey, wrappingKey } = parsed.value;
  const role = instance === primaryInstance ? 'primary' : 'secondary';
  return { name, url: (body as ServerBody).url, role, keyHash, sessionKey, wrappingKey };
}

const rank = ({ role }: StatementServer) => (role === 'primary' ? 0 : 1);
const byName = (a: StatementServer, b: StatementServer) => (a.name < b.name ? -1 : 1);
