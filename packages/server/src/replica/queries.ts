import { MAX_MISSING_NAMED, type Missing, type ObjectKind } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { Replica } from '../ports.ts';
import { fromRow, type ObjectRow } from '../record/stored-object.ts';

/** A page larger than any site: "all". */
const NO_LIMIT = -1;

export type Queries = Pick<
  Replica,
  | 'get'
  | 'find'
  | 'findByUid'
  | 'findDeviceByKey'
  | 'list'
  | 'count'
  | 'devicesOf'
  | 'nextByUid'
  | 'touchedSince'
  | 'page'
>;

/**
 * A statement for each kind, with the kind in its text. With a parameter in its place SQLite reads and plans the text anew for every
 * execution (six times the price): an index of ours is of one kind alone, and whether that serves depends on the parameter.
 */
function ofKind<S>(prepare: (quoted: string) => S): (kind: ObjectKind) => S {
  const prepared = new Map<ObjectKind, S>();
  return kind => {
    const known = prepared.get(kind);
    if (known !== undefined) return known;
    const made = prepare(`'${kind.replaceAll("'", "''")}'`);
    prepared.set(kind, made);
    return made;
  };
}

/** The reads of logins and policy resolution, each one prepared statement on an index. */
export function prepareQueries(handle: Database.Database): Queries {
  const select = (where: string) => handle.prepare<unknown[], ObjectRow>(`SELECT * FROM objects WHERE ${where}`);
  const selectOf = (where: string) => ofKind(kind => select(`kind = ${kind} AND ${where}`));
  const byName = select('kind = ? AND name = ?');
  const byUid = selectOf('uid = ?');
  // A device that was deleted and enrolled again leaves two rows with one key: the living one counts, then the newest.
  const byKey = select(
    `kind = 'Device' AND json_extract(system, '$.keyHash') = ? ORDER BY deleted, generation DESC LIMIT 1`,
  );
  const page = selectOf('deleted = 0 AND name > ? ORDER BY name LIMIT ?');
  const ofGroup = select(
    "kind = 'Device' AND deleted = 0 AND json_extract(body, '$.group') = ? AND name > ? ORDER BY name LIMIT ?",
  );
  const all = select('(kind, name) > (?, ?) ORDER BY kind, name LIMIT ?');
  const following = selectOf('uid > ? ORDER BY uid LIMIT 1');
  const counted = ofKind(kind =>
    handle.prepare<unknown[], number>(`SELECT count(*) FROM objects WHERE kind = ${kind} AND deleted = 0`).pluck(),
  );

  // What remembers a revoked key alone (`device-keys.ts`) is no object to people, and its name is none.
  const since = "generation > ? AND instr(name, '#') = 0";
  const touched = handle.prepare<unknown[], Missing['objects'][number]>(
    `SELECT kind, name, generation FROM objects WHERE ${since} ORDER BY generation DESC LIMIT ${MAX_MISSING_NAMED}`,
  );
  const touchedCount = handle.prepare<unknown[], number>(`SELECT count(*) FROM objects WHERE ${since}`).pluck();

  const object = (row: ObjectRow | undefined) => row && fromRow(row);
  return {
    get(kind, name) {
      const row = byName.get(kind, name);
      return row?.deleted === 0 ? fromRow(row) : undefined;
    },
    find: (kind, name) => object(byName.get(kind, name)),
    findByUid: (kind, uid) => object(byUid(kind).get(uid)),
    findDeviceByKey: keyHash => object(byKey.get(keyHash)),
    list: (kind, { after = '', limit } = { limit: NO_LIMIT }) => page(kind).all(after, limit).map(fromRow),
    count: kind => counted(kind).get() ?? 0,
    devicesOf: (group, { after = '', limit }) => ofGroup.all(group, after, limit).map(fromRow),
    nextByUid: (kind, uid) => object(following(kind).get(uid) ?? following(kind).get('')),
    touchedSince: generation => ({
      count: touchedCount.get(generation) ?? 0,
      objects: touched.all(generation),
    }),
    page: (after, limit) => all.all(after?.kind ?? '', after?.name ?? '', limit).map(fromRow),
  };
}
