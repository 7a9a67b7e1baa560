import { MAX_MISSING_NAMED, type Missing } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { Replica } from '../ports.ts';
import { fromRow, type ObjectRow } from '../record/stored-object.ts';
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
  const liveByName = select('kind = ? AND name = ? AND deleted = 0');
  const deletedByName = select('kind = ? AND name = ? AND deleted = 1');
  const userByUid = select("kind = 'User' AND uid = ?");
  const deviceByUid = select(`kind = 'Device' AND ${UID_START} = substr(@uid, 1, 8) AND uid = @uid`);
  // A device that was deleted and enrolled again leaves two rows with one key: the living one counts, then the newest.
  const byKey = select(
    `kind = 'Device' AND ${KEY_START} = substr(@keyHash, 1, 12) AND json_extract(system, '$.keyHash') = @keyHash
     ORDER BY deleted, generation DESC LIMIT 1`,
  );
  const page = select('kind = ? AND deleted = 0 AND name > ? ORDER BY name LIMIT ?');
  const ofGroup = select(
    "kind = 'Device' AND deleted = 0 AND json_extract(body, '$.group') = ? AND name > ? ORDER BY name LIMIT ?",
  );
  // Two lists, each in order, merged.
  const all = select(
    `(kind, name) > (@kind, @name) AND deleted = 0 UNION ALL SELECT * FROM objects
     WHERE (kind, name) > (@kind, @name) AND deleted = 1 ORDER BY kind, name LIMIT @limit`,
  );
  const following = select("kind = 'User' AND uid > ? ORDER BY uid LIMIT 1");
  const counted = handle
    .prepare<unknown[], number>('SELECT count(*) FROM objects WHERE kind = ? AND deleted = 0')
    .pluck();

  // What remembers a revoked key alone (`device-keys.ts`) is no object to people, and its name is none.
  const since = "generation > ? AND instr(name, '#') = 0";
  const touched = handle.prepare<unknown[], Missing['objects'][number]>(
    `SELECT kind, name, generation FROM objects WHERE ${since} ORDER BY generation DESC LIMIT ${MAX_MISSING_NAMED}`,
  );
  const touchedCount = handle.prepare<unknown[], number>(`SELECT count(*) FROM objects WHERE ${since}`).pluck();

  const object = (row: ObjectRow | undefined) => row && fromRow(row);
  return {
    get: (kind, name) => object(liveByName.get(kind, name)),
    find: (kind, name) => object(liveByName.get(kind, name) ?? deletedByName.get(kind, name)),
    findByUid: (kind, uid) => object(kind === 'User' ? userByUid.get(uid) : deviceByUid.get({ uid })),
    findDeviceByKey: keyHash => object(byKey.get({ keyHash })),
    list: (kind, { after = '', limit } = { limit: NO_LIMIT }) => page.all(kind, after, limit).map(fromRow),
    count: kind => counted.get(kind) ?? 0,
    devicesOf: (group, { after = '', limit }) => ofGroup.all(group, after, limit).map(fromRow),
    nextUserByUid: uid => object(following.get(uid) ?? following.get('')),
    touchedSince: generation => ({
      count: touchedCount.get(generation) ?? 0,
      objects: touched.all(generation),
    }),
    page: (after, limit) => all.all({ kind: after?.kind ?? '', name: after?.name ?? '', limit }).map(fromRow),
  };
}
