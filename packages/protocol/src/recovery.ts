import Type, { type Static } from 'typebox';
import { ObjectName } from './names.ts';
import { SignedStatement } from './statement.ts';
import { Missing } from './status.ts';
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
  /** It lacks what was seen of it. */
  forked: Type.Boolean(),
  /** Another Primary has begun the same epoch on another line of commits; left out: none was seen. */
  contested: Type.Optional(Type.Object({ name: ObjectName, url: Type.String() })),
  /** Neither a device nor another server is seen: one of them may have been promoted. Left out: somebody is. */
  isolated: Type.Optional(Type.Literal(true)),
  database: SeenState,
  /** Where this server's own copy stands. */
  replica: Version,
  losses: Losses,
  /** Secondaries that have commits which the database lacks: each puts its own by when its database is seeded anew. */
  secondariesAhead: Type.Array(Type.Object({ name: Type.String(), ...Version.properties })),
});
export type ForkReport = Static<typeof ForkReport>;

/** A higher one is no epoch but a slip of the hand, and there would be no way back from it. */
export const MAX_EPOCH_ABOVE = 1_000_000;
/** The new epoch is higher than this: for one that is known to devices alone. */
export const EpochAbove = Type.Integer({ minimum: 1, maximum: MAX_EPOCH_ABOVE });

/** `database` as it was seen: any other state is refused. */
export const AcceptDatabaseRequest = Type.Object(
  {
    database: SeenState,
    /** The operator's word that no other server of the site was promoted; needed where nobody is seen. */
    nobodyWasPromoted: Type.Optional(Type.Literal(true)),
    epochAbove: Type.Optional(EpochAbove),
  },
  { additionalProperties: false },
);
export type AcceptDatabaseRequest = Static<typeof AcceptDatabaseRequest>;

/** `thinman-server accept-database --json`. */
export const AcceptDatabaseAnswer = Type.Object({
  ...Version.properties,
  losses: Losses,
  /** Where they were written to, on the server's host; null: nothing was lost. */
  file: Type.Union([Type.String(), Type.Null()]),
});
export type AcceptDatabaseAnswer = Static<typeof AcceptDatabaseAnswer>;

const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const DatabaseUrl = Type.Optional(Type.String({ minLength: 1, maxLength: 4096 }));

/** `promote`, before it is done. `database`: another URL for the source of record, from then on. */
export const PromotionLookRequest = Type.Object({ database: DatabaseUrl }, { additionalProperties: false });
export type PromotionLookRequest = Static<typeof PromotionLookRequest>;

/** What is known of a promotion before it is made. */
export const PromotionReport = Type.Object({
  server: ObjectName,
  /** Who is the Primary until then. */
  primary: Type.Object({ name: ObjectName, url: Type.String(), /** It is seen now. */ linked: Type.Boolean() }),
  /** What the old Primary is known to have committed, and this server's data lack. */
  missing: Missing,
  /** What keeps this server from writing into its database, and the SQL that mends it. */
  obstacle: nullable(Type.Object({ what: Type.String(), sql: Type.Array(Type.String()) })),
  /** What its own copy has and its database lacks. */
  losses: Losses,
});
export type PromotionReport = Static<typeof PromotionReport>;

/** `oldPrimaryIsOff`: the operator's word. */
export const PromotionRequest = Type.Object(
  {
    database: DatabaseUrl,
    recoveryCode: Type.String({ minLength: 1, maxLength: 256 }),
    oldPrimaryIsOff: Type.Literal(true),
  },
  { additionalProperties: false },
);
export type PromotionRequest = Static<typeof PromotionRequest>;

/** `thinman-server promote --json`. */
export const PromotionAnswer = Type.Object({
  ...Version.properties,
  missing: Missing,
  losses: Losses,
  /** Where what the database lacks was written to; null: it lacked nothing. */
  file: nullable(Type.String()),
});
export type PromotionAnswer = Static<typeof PromotionAnswer>;

/** Epochs of one line of commits that are told: more have hardly ever been begun while a server was away. */
export const MAX_EPOCHS_TOLD = 64;

/** One epoch in a line of commits. */
export const EpochSpan = Type.Object({
  epoch: Type.Integer({ minimum: 1 }),
  /** `commitId` of its first commit: two epochs of one number with other ids are of two lines. */
  begunBy: Type.String({ maxLength: 64 }),
  /** Generation of its last commit until now. */
  last: Type.Integer({ minimum: 0 }),
});
export type EpochSpan = Static<typeof EpochSpan>;

/** `GET /v1/statement?epoch=E`, between servers: who may have missed a promotion asks. */
export const StatementAnswer = Type.Object({
  statement: SignedStatement,
  /** The last commit of epoch E or before in this line of commits; null: not known now, or E is not over. */
  restsOn: nullable(SeenState),
  /** The newest epochs of that line, newest first, where `restsOn` is told; left out by versions before it. */
  line: Type.Optional(Type.Array(EpochSpan, { maxItems: MAX_EPOCHS_TOLD })),
});
export type StatementAnswer = Static<typeof StatementAnswer>;
