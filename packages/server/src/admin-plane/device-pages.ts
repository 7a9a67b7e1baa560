import type { Scope } from '../core/deployment.ts';
import type { Replica, StoredObject } from '../ports.ts';

/** No name has it. */
const BETWEEN = '|';

type DevicePage = { readonly devices: readonly StoredObject[]; readonly next: string | undefined };

/** A page of the devices of these scopes. `after`: `next` of the page before. Each by an index of the replica: nothing is read in vain. */
export function devicesIn(
  replica: Pick<Replica, 'get' | 'list' | 'devicesOf'>,
  scopes: readonly Scope[],
  { after, limit }: { readonly after?: string; readonly limit: number },
): DevicePage {
  const [reached = '', name = ''] = after?.split(BETWEEN) ?? [];
  const found: StoredObject[] = [];
  const first = after === undefined ? 0 : scopes.findIndex(scope => keyOf(scope) === reached);
  if (first === -1) return { devices: [], next: undefined };
  const groups = new Set(scopes.flatMap(scope => (scope.kind === 'group' ? [scope.name] : [])));
  for (const [at, scope] of scopes.slice(first).entries()) {
    const page = { after: at === 0 ? name : '', limit: limit - found.length };
    const some = of(replica, scope, page, groups);
    found.push(...some);
    const last = some.at(-1);
    if (found.length >= limit && last !== undefined)
      return { devices: found, next: `${keyOf(scope)}${BETWEEN}${last.name}` };
  }
  return { devices: found, next: undefined };
}

function of(
  replica: Pick<Replica, 'get' | 'list' | 'devicesOf'>,
  scope: Scope,
  page: { readonly after: string; readonly limit: number },
  groups: ReadonlySet<string>,
): readonly StoredObject[] {
  switch (scope.kind) {
    case 'all':
      return replica.list('Device', page);
    case 'group':
      return replica.devicesOf(scope.name, page);
    case 'device': {
      const device = page.after === '' ? replica.get('Device', scope.name) : undefined;
      // Of a group that is listed as well: it has come already.
      return device === undefined || groups.has(String(device.body.group)) ? [] : [device];
    }
    default:
      return scope satisfies never;
  }
}

const keyOf = (scope: Scope) => (scope.kind === 'all' ? 'all' : `${scope.kind}:${scope.name}`);
