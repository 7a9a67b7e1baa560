import { MAX_MISSING_NAMED, type Missing } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { Replica } from '../ports.ts';
import { fromRow, type ObjectRow } from '../record/stored-object.ts';
import { ofKind } from './of-kind.ts';
import { KEY_START, UID_START } from './tables.ts';

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
  | 'nextUserByUid'
  | 'touchedSince'
  | 'page'
>;

/** The reads of logins and policy resolution, each one prepared statement on an index. */
export function prepareQueries(handle: Database.Database): Queries {
  const select = (where: string) => handle.prepare<unknown[], ObjectRow>(`SELECT * FROM objects WHERE ${where}`);
  const selectOf = (where: string) => ofKind(kind => select(`kind = ${kind} AND ${where}`));
  const liveByName = selectOf('name = ? AND deleted = 0');
  const deletedByName = selectOf('name = ? AND deleted = 1');
  // Of one id, or one key, there are few: they are put in order here. With ORDER BY SQLite plans these anew each time as well.
  const userByUid = select("kind = 'User' AND uid = ?");
  const deviceByUid = select(`kind = 'Device' AND ${UID_START} = substr(@uid, 1, 8) AND uid = @uid`);
  const deviceByKey = select(
    `kind = 'Device' AND ${KEY_START} = substr(@keyHash, 1, 12) AND json_extract(system, '$.keyHash') = @keyHash`,
  );
  const page = selectOf('deleted = 0 AND name > ? ORDER BY name LIMIT ?');
  const ofGroup = select(
    "kind = 'Device' AND deleted = 0 AND json_extract(body, '$.group') = ? AND name > ? ORDER BY name LIMIT ?",
  );
  // Two lists, each in order, merged.
  const all = select(
    `(kind, name) > (@kind, @name) AND deleted = 0 UNION ALL SELECT * FROM objects
     WHERE (kind, name) > (@kind, @name) AND deleted = 1 ORDER BY kind, name LIMIT @limit`,
  );
  const following = select("kind = 'User' AND uid > ? ORDER BY uid LIMIT 1");
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
    get: (kind, name) => object(liveByName(kind).get(name)),
    find(kind, name) {
      // Both for every name: how long it takes does not tell whether somebody is there.
      const [live, deleted] = [liveByName(kind).get(name), deletedByName(kind).get(name)];
      return object(live ?? deleted);
    },
    findByUid: (kind, uid) => object(foremost(kind === 'User' ? userByUid.all(uid) : deviceByUid.all({ uid }))),
    findDeviceByKey: keyHash => object(foremost(deviceByKey.all({ keyHash }))),
    list: (kind, { after = '', limit } = { limit: NO_LIMIT }) => page(kind).all(after, limit).map(fromRow),
    count: kind => counted(kind).get() ?? 0,
    devicesOf: (group, { after = '', limit }) => ofGroup.all(group, after, limit).map(fromRow),
    nextUserByUid: uid => object(following.get(uid) ?? following.get('')),
    touchedSince: generation => ({
      count: touchedCount.get(generation) ?? 0,
      objects: touched.all(generation),
    }),
    page: (after, limit) => all.all({ kind: after?.kind ?? '', name: after?.name ?? '', limit }).map(fromRow),
  };
}

/** A device that was replaced, or deleted and enrolled again, leaves rows behind: the living one counts, then the newest. */
function foremost(rows: readonly ObjectRow[]): ObjectRow | undefined {
  if (rows.length < 2) return rows[0];
  return rows.toSorted((a, b) => a.deleted - b.deleted || b.generation - a.generation)[0];
}
