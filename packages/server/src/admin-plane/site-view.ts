import type { ObjectInput, ObjectKind, PolicyBody, ProfileBody } from '@thinman/protocol';
import type { CommitTransaction, Replica, StoredObject } from '../ports.ts';
import { hasOuterFallback, referencesOf } from './references.ts';

/** Where the current objects are read from: the source of record under its lock, or the replica. */
export type SiteReader = Pick<CommitTransaction, 'get' | 'list'>;

/** The current objects that a plan needs, held in memory: what was not asked for at `loadSiteView` is not there. */
export type SiteView = {
  /** Live objects only. */
  get(kind: ObjectKind, name: string): StoredObject | undefined;
  /** Only of kinds loaded whole (`wholeKinds`). */
  list(kind: ObjectKind): readonly StoredObject[];
};

/** An input whose form is right. */
export type ValidInput = Omit<ObjectInput, 'kind'> & { readonly index: number; readonly kind: ObjectKind };

/** Above this many names of one kind it is read whole: one large statement is cheaper than very many small ones. */
export const READ_WHOLE_ABOVE = 200;

export function replicaReader(replica: Pick<Replica, 'get' | 'list'>): SiteReader {
  return { get: async (kind, name) => replica.get(kind, name), list: async kind => replica.list(kind) };
}

/** Kinds of which every object counts: trees are walked up, and one owner must be left. */
function needsWhole(kind: ObjectKind): boolean {
  return kind === 'DeviceGroup' || kind === 'UserGroup' || kind === 'Administrator' || kind === 'Rollout';
}

/** Reads the inputs' own objects, all that they name, and the whole kinds of which inputs are. */
export async function loadSiteView(reader: SiteReader, inputs: readonly ValidInput[]): Promise<SiteView> {
  const names = new Map<ObjectKind, Set<string>>();
  const want = (kind: ObjectKind, name: string) => {
    const wanted = names.get(kind) ?? new Set();
    names.set(kind, wanted.add(name));
  };
  const whole = new Set<ObjectKind>();
  for (const { kind, name, body } of inputs) {
    want(kind, name);
    if (needsWhole(kind)) whole.add(kind);
    for (const reference of referencesOf(kind, body)) want(reference.kind, reference.name);
  }
  const held = new Map<ObjectKind, Map<string, StoredObject>>();
  for (const [kind, wanted] of names) {
    held.set(kind, await load(reader, kind, whole.has(kind) || wanted.size > READ_WHOLE_ABOVE ? 'all' : wanted));
  }
  const further = (kind: ObjectKind) => load(reader, kind, 'all').then(found => held.set(kind, found));
  // A policy that has become one of devices; a connection that falls back to one of another profile.
  const becomesOfDevices = inputs.some(({ kind, name, body }) => {
    if (kind !== 'Policy' || (body as PolicyBody).scope !== 'device') return false;
    const stored = held.get(kind)?.get(name)?.body as PolicyBody | undefined;
    return stored !== undefined && stored.scope !== 'device';
  });
  if (becomesOfDevices) await further('Assignment');
  if (inputs.some(({ kind, body }) => kind === 'Profile' && hasOuterFallback(body as ProfileBody))) {
    await further('Profile');
  }
  return {
    get: (kind, name) => held.get(kind)?.get(name),
    list: kind => [...(held.get(kind)?.values() ?? [])],
  };
}

async function load(reader: SiteReader, kind: ObjectKind, wanted: ReadonlySet<string> | 'all') {
  const found = new Map<string, StoredObject>();
  const keep = (object: StoredObject | undefined) => {
    if (object !== undefined && !object.deleted) found.set(object.name, object);
  };
  if (wanted === 'all') for (const object of await reader.list(kind)) keep(object);
  else for (const name of wanted) keep(await reader.get(kind, name));
  return found;
}
