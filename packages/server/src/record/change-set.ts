import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { canonicalJson, type ObjectKind, type Version } from '@thinman/protocol';
import type { CommitTransaction, StoredObject } from '../ports.ts';
import { inBatches } from './batches.ts';
import type { RecordDb } from './schema.ts';
import { fromRow, toRow } from './stored-object.ts';

/** An embedded database works in this thread: after so many calls, some milliseconds, devices are answered in between. */
const CALLS_PER_TURN = 50;

/** What a commit writes beside its objects. */
export type CommitMark = {
  readonly version: Version;
  readonly commitId: string;
  readonly actor: string;
  readonly atMs: number;
};

/**
 * The objects of one commit, as its own transaction sees them. Reads are remembered (the site row's lock keeps them true)
 * and writes are gathered, so that an `apply` of 100,000 objects is some hundred statements.
 */
export function createChangeSet(db: RecordDb, version: Version) {
  const known = new Map<ObjectKind, Map<string, StoredObject | undefined>>();
  const wholeKinds = new Set<ObjectKind>();
  const touched = new Map<string, StoredObject>();
  let open = true;
  let calls = 0;

  const ofKind = (kind: ObjectKind) => {
    const found = known.get(kind) ?? new Map<string, StoredObject | undefined>();
    known.set(kind, found);
    return found;
  };
  /** A forgotten `await` would otherwise write behind the commit's back. */
  const mustBeOpen = () => {
    if (!open) throw new Error('this commit has ended: await every call before `work` returns');
  };

  async function find(kind: ObjectKind, name: string): Promise<StoredObject | undefined> {
    mustBeOpen();
    if (++calls % CALLS_PER_TURN === 0) await nextTurn();
    const names = ofKind(kind);
    if (names.has(name) || wholeKinds.has(kind)) return names.get(name);
    const row = await db
      .selectFrom('objects')
      .selectAll()
      .where('kind', '=', kind)
      .where('name', '=', name)
      .executeTakeFirst();
    // Another call of the same `work` may have written it meanwhile.
    if (!names.has(name)) names.set(name, row && fromRow(row));
    return names.get(name);
  }

  async function readWhole(kind: ObjectKind): Promise<Map<string, StoredObject | undefined>> {
    mustBeOpen();
    const names = ofKind(kind);
    if (wholeKinds.has(kind)) return names;
    const rows = await db.selectFrom('objects').selectAll().where('kind', '=', kind).execute();
    for (const row of rows) if (!names.has(row.name)) names.set(row.name, fromRow(row));
    wholeKinds.add(kind);
    return names;
  }

  function touch(object: StoredObject): void {
    mustBeOpen();
    ofKind(object.kind).set(object.name, object);
    touched.set(`${object.kind}/${object.name}`, object);
  }

  const transaction: Pick<CommitTransaction, 'version' | 'get' | 'list' | 'put' | 'remove'> = {
    version,
    async get(kind, name) {
      const found = await find(kind, name);
      return found?.deleted === false ? found : undefined;
    },
    async list(kind) {
      const live = [...(await readWhole(kind)).values()].filter(object => object?.deleted === false);
      return live.filter(object => object !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async put(kind, name, body, system) {
      const before = await find(kind, name);
      const uid = before?.deleted === false ? before.uid : randomUUID();
      const written = { body: canonicalJson(body), system: canonicalJson(system), deleted: 0 };
      const object = fromRow({ kind, name, uid, generation: version.generation, ...written });
      touch(object);
      return object;
    },
    async remove(kind, name) {
      const before = await find(kind, name);
      if (before?.deleted !== false) return false;
      touch(fromRow({ ...toRow(before), generation: version.generation, body: '{}', deleted: 1 }));
      return true;
    },
  };

  return {
    transaction,
    mustBeOpen,
    /** No call of `transaction` works any more. */
    end(): readonly StoredObject[] {
      open = false;
      return [...touched.values()];
    },
  };
}

/** The objects of one commit, their history, and the commit itself. */
export async function writeObjects(db: RecordDb, objects: readonly StoredObject[], mark: CommitMark): Promise<void> {
  const { version, commitId, actor, atMs } = mark;
  for (const rows of inBatches(objects.map(toRow), ({ body, system }) => body.length + system.length)) {
    await db
      .replaceInto('objects')
      .values(rows.map(row => ({ ...row, deletedAtMs: row.deleted ? atMs : null })))
      .execute();
    await db
      .insertInto('history')
      .values(
        rows.map(({ kind, name, body, system, deleted }) => {
          return { kind, name, ...version, at: atMs, actor, body: deleted ? null : body, system };
        }),
      )
      .execute();
    await nextTurn();
  }
  const summary = canonicalJson(summarise(objects));
  await db
    .insertInto('commits')
    .values({ ...version, commitId, at: atMs, actor, summary })
    .execute();
}

/** Whether the database has this very commit. */
export async function isCommitted(db: RecordDb, version: Version, commitId: string): Promise<boolean> {
  const found = await db
    .selectFrom('commits')
    .select('commitId')
    .where('epoch', '=', version.epoch)
    .where('generation', '=', version.generation)
    .executeTakeFirst();
  return found?.commitId === commitId;
}

/** How many objects of which kind were put and removed: bounded, whatever the size of the commit. */
function summarise(objects: readonly StoredObject[]): Record<'put' | 'removed', Record<string, number>> {
  const counts = { put: {} as Record<string, number>, removed: {} as Record<string, number> };
  for (const { kind, deleted } of objects) {
    const of = counts[deleted ? 'removed' : 'put'];
    of[kind] = (of[kind] ?? 0) + 1;
  }
  return counts;
}
