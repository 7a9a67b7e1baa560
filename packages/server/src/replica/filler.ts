import type Database from 'better-sqlite3';
import type { ObjectRow } from '../record/stored-object.ts';

/** Of one statement: with more it is no faster. */
const ROWS = 20;
/** Of a row, beside what is the same for all of a statement. */
const VALUES = 5;

type Sort = Pick<ObjectRow, 'kind' | 'deleted'> & { readonly values: (string | number)[] };

/**
 * Puts many new rows into the table of objects, twenty in a statement. To hand a value over takes as long as to store it: what is the same for all
 * rows of a statement is handed over once, so each is of one kind, and of what is alive or of what is not.
 */
export function createFiller(handle: Database.Database) {
  const [many, one] = [prepareInsert(handle, ROWS), prepareInsert(handle, 1)];
  const sorts = new Map<string, Sort>();

  function sortOf({ kind, deleted }: ObjectRow): Sort {
    const key = deleted === 0 ? kind : `${kind} deleted`;
    const known = sorts.get(key);
    if (known !== undefined) return known;
    const sort = { kind, deleted, values: [] };
    sorts.set(key, sort);
    return sort;
  }

  return {
    add(row: ObjectRow): void {
      const { kind, deleted, values } = sortOf(row);
      values.push(row.name, row.uid, row.generation, row.body, row.system);
      if (values.length < ROWS * VALUES) return;
      many.run({ kind, deleted }, ...values);
      values.length = 0;
    },
    /** Puts in what is left. */
    end(): void {
      for (const { kind, deleted, values } of sorts.values()) {
        while (values.length > 0) one.run({ kind, deleted }, ...values.splice(0, VALUES));
      }
    },
  };
}

function prepareInsert(handle: Database.Database, rows: number): Database.Statement {
  const places = Array.from({ length: rows }, () => '(@kind, ?, ?, ?, ?, ?, @deleted)').join(', ');
  return handle.prepare(`INSERT INTO objects (kind, name, uid, generation, body, system, deleted) VALUES ${places}`);
}
