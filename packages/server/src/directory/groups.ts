import { type Entry, EqualityFilter, OrFilter } from 'ldapts';
import type { Connection } from './connection.ts';
import type { DirectoryConfig } from './directory-config.ts';
import { bytesOf, integerOf, textOf, textsOf, thinmanName } from './entry.ts';
import { filledFilter, firstValueOf } from './filters.ts';

/** Groups around groups: deeper nesting is a mistake. */
const MAX_DEPTH = 10;
/** Groups of one user: at this number an AD token is full as well (1,024). */
const MAX_GROUPS = 1_000;
/** Groups asked about in one search. */
const AT_ONCE = 40;

type Asking = { readonly config: DirectoryConfig; readonly connection: Connection; readonly untilMs: () => number };

/** The names of all groups of a user, nested ones too, sorted. Bounded in depth and number; circles end. */
export async function groupsOf(asking: Asking, user: Entry, local: string): Promise<readonly string[]> {
  const found = new Map<string, string>();
  const { config } = asking;
  const dns: string[] = [];
  if (config.type === 'activeDirectory') dns.push(...(await primaryGroup(asking, user, found)));
  // Some servers keep the list with the user alone.
  else
    dns.push(
      ...add(
        textsOf(user, 'memberOf').map(dn => ({ dn, name: firstValueOf(dn) })),
        found,
      ),
    );
  const direct = [user.dn, ...(config.type === 'activeDirectory' ? dns : [])].map(dn =>
    filledFilter(config.groupFilter, { dn, user: local }),
  );
  dns.push(...(await search(asking, new OrFilter({ filters: direct }), found)));
  if (config.type === 'ldap') await walk(asking, dns, found);
  const names = [...found.values()].flatMap(name => thinmanName(name) ?? []);
  return [...new Set(names)].toSorted();
}

/** Outwards, level by level. */
async function walk(asking: Asking, first: readonly string[], found: Map<string, string>): Promise<void> {
  let level = first;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += AT_ONCE) {
      const filters = level
        .slice(at, at + AT_ONCE)
        .flatMap(dn => [
          new EqualityFilter({ attribute: 'member', value: dn }),
          new EqualityFilter({ attribute: 'uniqueMember', value: dn }),
        ]);
      next.push(...(await search(asking, new OrFilter({ filters }), found)));
    }
    level = next;
  }
}

/** DNs of those that were not found before. */
async function search({ config, connection, untilMs }: Asking, filter: OrFilter, found: Map<string, string>) {
  if (found.size >= MAX_GROUPS) return [];
  const entries = await connection.search(
    { base: config.baseDn, scope: 'sub', filter, attributes: ['cn'], paged: true },
    untilMs(),
  );
  return add(
    entries.map(entry => ({ dn: entry.dn, name: textOf(entry, 'cn') ?? firstValueOf(entry.dn) })),
    found,
  );
}

function add(
  groups: readonly { readonly dn: string; readonly name: string | undefined }[],
  found: Map<string, string>,
): string[] {
  const news: string[] = [];
  for (const { dn, name } of groups) {
    const key = dn.toLowerCase();
    if (name === undefined || found.has(key) || found.size >= MAX_GROUPS) continue;
    found.set(key, name);
    news.push(dn);
  }
  return news;
}

const SID_HEAD_BYTES = 8;
const RID_BYTES = 4;

/** The primary group (as a rule Domain Users) has no `member` of its users: it is found by its SID. */
async function primaryGroup({ config, connection, untilMs }: Asking, user: Entry, found: Map<string, string>) {
  const sid = bytesOf(user, 'objectSid');
  const rid = integerOf(user, 'primaryGroupID');
  if (sid === undefined || rid === undefined || sid.length < SID_HEAD_BYTES + RID_BYTES) return [];
  const groupSid = Buffer.from(sid);
  groupSid.writeUInt32LE(Number(rid), groupSid.length - RID_BYTES);
  const filter = new EqualityFilter({ attribute: 'objectSid', value: groupSid });
  const entries = await connection.search(
    { base: config.baseDn, scope: 'sub', filter, attributes: ['cn'], sizeLimit: 1 },
    untilMs(),
  );
  return add(
    entries.map(entry => ({ dn: entry.dn, name: textOf(entry, 'cn') })),
    found,
  );
}
