import Type, { type Static } from 'typebox';
import { ObjectName } from './names.ts';
import { Version } from './versioned.ts';

/** Objects named in one answer of `accept-database`; the export names all. */
export const MAX_LOST_NAMED = 1_000;

/**
 * What a state of the database lacks of an object that this server has. `missing`: it is not there. `changed`: its body is another
 * one. `deleted`: it was deleted, and is there. `system`: only what servers keep beside it differs (a password, a key, a secret).
 */
export const LossKind = Type.Union([
  Type.Literal('missing'),
  Type.Literal('changed'),
  Type.Literal('deleted'),
  Type.Literal('system'),
]);
export type LossKind = Static<typeof LossKind>;

/** What goes back when the database is accepted as it is. */
export const Losses = Type.Object({
  /** All of them, named or not. */
  count: Type.Integer({ minimum: 0 }),
  objects: Type.Array(Type.Object({ kind: Type.String(), name: ObjectName, loss: LossKind }), {
    maxItems: MAX_LOST_NAMED,
  }),
});
export type Losses = Static<typeof Losses>;

/** A state of a database, so that an administrator's word is for the one that was seen. */
export const SeenState = Type.Object({ ...Version.properties, commitId: Type.String() });
export type SeenState = Static<typeof SeenState>;

/** `thinman-server accept-database --dry-run --json`. */
export const ForkReport = Type.Object({
  forked: Type.Boolean(),
  database: SeenState,
  /** Where this server's own copy stands. */
  replica: Version,
  losses: Losses,
  /** Secondaries that have commits which the database lacks: each puts its own by when its database is seeded anew. */
  secondariesAhead: Type.Array(Type.Object({ name: Type.String(), ...Version.properties })),
});
export type ForkReport = Static<typeof ForkReport>;

/** `database` as it was seen: any other state is refused. */
export const AcceptDatabaseRequest = Type.Object({ database: SeenState }, { additionalProperties: false });
export type AcceptDatabaseRequest = Static<typeof AcceptDatabaseRequest>;

/** `thinman-server accept-database --json`. */
export const AcceptDatabaseAnswer = Type.Object({
  ...Version.properties,
  losses: Losses,
  /** Where they were written to, on the server's host; null: nothing was lost. */
  file: Type.Union([Type.String(), Type.Null()]),
});
export type AcceptDatabaseAnswer = Static<typeof AcceptDatabaseAnswer>;
