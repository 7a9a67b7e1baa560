import { canonicalJson, type ObjectKind } from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';

/** An object as databases keep it: `body` and `system` as canonical JSON, `deleted` as 0 or 1. */
export type ObjectRow = {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly body: string;
  readonly system: string;
  readonly deleted: number;
};

/** The row behind an object, so that a copy of it is written without parsing and serialising. A spread copy has none. */
const rows = new WeakMap<StoredObject, ObjectRow>();

/** Parses `body` and `system` when they are first looked at: a full sync of 200,000 objects looks at none. */
export function fromRow(row: ObjectRow): StoredObject {
  let body: StoredObject['body'] | undefined;
  let system: StoredObject['system'] | undefined;
  const object: StoredObject = {
    kind: row.kind as ObjectKind,
    name: row.name,
    uid: row.uid,
    generation: row.generation,
    get body() {
      body ??= JSON.parse(row.body) as StoredObject['body'];
      return body;
    },
    get system() {
      system ??= JSON.parse(row.system) as StoredObject['system'];
      return system;
    },
    deleted: row.deleted !== 0,
  };
  rows.set(object, row);
  return object;
}

export function toRow(object: StoredObject): ObjectRow {
  return (
    rows.get(object) ?? {
      kind: object.kind,
      name: object.name,
      uid: object.uid,
      generation: object.generation,
      body: canonicalJson(object.body),
      system: canonicalJson(object.system),
      deleted: object.deleted ? 1 : 0,
    }
  );
}
