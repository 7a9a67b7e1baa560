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

/** An object that one reads: `body` and `system` are its own, and go with a copy of it. */
export function fromRow(row: ObjectRow): StoredObject {
  let body: StoredObject['body'] | undefined;
  let system: StoredObject['system'] | undefined;
  return {
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
}

/**
 * An object of a feed: two hundred thousand of them are passed on as the rows that they are, and none is parsed. A spread copy
 * would lack `body` and `system`.
 */
export class FeedObject implements StoredObject {
  readonly kind: ObjectKind;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly deleted: boolean;
  readonly #row: ObjectRow;
  #body: StoredObject['body'] | undefined;
  #system: StoredObject['system'] | undefined;

  constructor(row: ObjectRow) {
    this.kind = row.kind as ObjectKind;
    this.name = row.name;
    this.uid = row.uid;
    this.generation = row.generation;
    this.deleted = row.deleted !== 0;
    this.#row = row;
  }

  get body(): StoredObject['body'] {
    this.#body ??= JSON.parse(this.#row.body) as StoredObject['body'];
    return this.#body;
  }

  get system(): StoredObject['system'] {
    this.#system ??= JSON.parse(this.#row.system) as StoredObject['system'];
    return this.#system;
  }

  /** As it was read. */
  get row(): ObjectRow {
    return this.#row;
  }
}

export function toRow(object: StoredObject): ObjectRow {
  if (object instanceof FeedObject) return object.row;
  return {
    kind: object.kind,
    name: object.name,
    uid: object.uid,
    generation: object.generation,
    body: canonicalJson(object.body),
    system: canonicalJson(object.system),
    deleted: object.deleted ? 1 : 0,
  };
}
