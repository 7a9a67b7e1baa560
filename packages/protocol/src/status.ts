import Type, { type Static } from 'typebox';
import { ObjectName } from './names.ts';
import { ServerRole } from './statement.ts';

/** Kinds of sources of record. */
export const DatabaseKind = Type.Union([Type.Literal('sqlite'), Type.Literal('mysql'), Type.Literal('mariadb')]);

/** What a server can do now (`failover.md`, "When is a server what?"). */
export const ServerState = Type.Union([
  Type.Literal('serving'),
  Type.Literal('degraded'),
  Type.Literal('draining'),
  Type.Literal('unavailable'),
]);
export type ServerState = Static<typeof ServerState>;

/** `GET /readyz` (200 when it can serve a login, else 503), for anyone: it names no object. A contract. */
export const ServerStatus = Type.Object({
  name: Type.String(),
  role: ServerRole,
  state: ServerState,
  epoch: Type.Integer(),
  generation: Type.Integer(),
  database: Type.Object({
    kind: DatabaseKind,
    reachable: Type.Boolean(),
    /** 0 = lacks nothing it has heard of. */
    lagMs: Type.Integer({ minimum: 0 }),
  }),
  connectedDevices: Type.Integer({ minimum: 0 }),
  journalPending: Type.Integer({ minimum: 0 }),
  version: Type.String(),
  schema: Type.Integer(),
});
export type ServerStatus = Static<typeof ServerStatus>;

/** Objects named in one `Missing`: enough to see what is behind, and a fifth of a frame at the longest names. */
export const MAX_MISSING_NAMED = 100;

/** What has not arrived. The newest are named, newest first: where one of them has arrived, so have all that are not named. */
export const Missing = Type.Object({
  /** All of them, named or not; deletions count. */
  count: Type.Integer({ minimum: 0 }),
  objects: Type.Array(
    Type.Object({
      kind: Type.String({ maxLength: 64 }),
      name: ObjectName,
      /** Of the newest commit that touched it. */
      generation: Type.Integer({ minimum: 0 }),
    }),
    { maxItems: MAX_MISSING_NAMED },
  ),
});
export type Missing = Static<typeof Missing>;

/**
 * Where events go: into the journal; `direct`: it takes none, each goes to the source of record (a Secondary's: by the
 * Primary) before anything is answered; `nowhere`: neither works, and the server is unavailable.
 */
export const EventPath = Type.Union([Type.Literal('journal'), Type.Literal('direct'), Type.Literal('nowhere')]);
export type EventPath = Static<typeof EventPath>;

/** How full a server's journal is. */
export const JournalStatus = Type.Object({
  path: EventPath,
  /** Of the file, with what is kept of drained entries. */
  bytes: Type.Integer({ minimum: 0 }),
  /** Of entries that wait; at `limitBytes` no more is taken. */
  pendingBytes: Type.Integer({ minimum: 0 }),
  limitBytes: Type.Integer({ minimum: 0 }),
  /** How long the oldest entry has waited; 0: none waits. */
  oldestPendingMs: Type.Integer({ minimum: 0 }),
  /** What is left of the room that is kept for the journal on a full disk. */
  reserveBytes: Type.Integer({ minimum: 0 }),
});
export type JournalStatus = Static<typeof JournalStatus>;

/** A Secondary as its Primary knows it. */
export const SecondaryStatus = Type.Object({
  name: Type.String(),
  linked: Type.Boolean(),
  /** As it last said; null: nothing since this Primary started. */
  state: Type.Union([ServerState, Type.Null()]),
  epoch: Type.Integer(),
  generation: Type.Integer(),
  lagMs: Type.Integer({ minimum: 0 }),
  journalPending: Type.Integer({ minimum: 0 }),
  /** The release that it runs; left out while it has said nothing, and by Primaries before it. */
  version: Type.Optional(Type.String()),
  /** What it lacked when it last said where it stands. */
  missing: Missing,
});
export type SecondaryStatus = Static<typeof SecondaryStatus>;

/** What a former Primary has committed beyond what the new one has. */
export const ExportStatus = Type.Object({
  /** All that its database has lies in `file`; not while that database is away: then nobody knows. */
  complete: Type.Boolean(),
  /** On its host; null: nothing had to be exported, as far as is known. */
  file: Type.Union([Type.String(), Type.Null()]),
});
export type ExportStatus = Static<typeof ExportStatus>;

/** A directory and its servers, as the server that was asked has found them. */
export const DirectoryStanding = Type.Object({
  name: Type.String(),
  /** In the order of its `urls`. */
  servers: Type.Array(
    Type.Object({
      url: Type.String(),
      /** `closed`: it is asked, and was so far answered by; `open`: it is left out until a probe is answered. */
      breaker: Type.Union([Type.Literal('closed'), Type.Literal('open')]),
      /** Since when, Unix ms; null: since it is known here. */
      since: Type.Union([Type.Integer(), Type.Null()]),
      /** Why it was left out the last time; null: it never was. */
      lastError: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
  /** What is stored of it cannot be used: it is to be applied anew. */
  unusable: Type.Optional(Type.Literal(true)),
});
export type DirectoryStanding = Static<typeof DirectoryStanding>;

/** `thinman-server status --json`, `thinman status`: for administrators, as it names objects. A contract. */
export const ServerReport = Type.Object({
  ...ServerStatus.properties,
  /** Why it is not `serving`, in one word (the `why` of `server.state`); left out while it is. */
  why: Type.Optional(Type.String()),
  /** The schema that this version writes, where `schema` is what it found; left out by versions before it. */
  writesSchema: Type.Optional(Type.Integer()),
  /** Why the database cannot be used, and what to do; left out while it can. */
  databaseError: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  /** What this server has heard of and lacks. */
  missing: Type.Optional(Missing),
  journal: Type.Optional(JournalStatus),
  /** On a Secondary: whether it sees the Primary. */
  link: Type.Optional(Type.Object({ server: Type.String(), connected: Type.Boolean() })),
  /** On the Primary: every Secondary of the site statement. */
  secondaries: Type.Optional(Type.Array(SecondaryStatus)),
  /** As this server has found them; left out where the site has none, and by versions before it. */
  directories: Type.Optional(Type.Array(DirectoryStanding)),
  /** On a Primary in whose place another server was promoted, until it is rebuilt. */
  exported: Type.Optional(ExportStatus),
  /** A Primary that takes no administrative writes, since it sees neither a device nor another server; left out otherwise. */
  isolated: Type.Optional(Type.Literal(true)),
});
export type ServerReport = Static<typeof ServerReport>;

/** Where the agent stands. `degraded`: online on a server that says so of itself. */
export const AgentMode = Type.Union([Type.Literal('online'), Type.Literal('degraded'), Type.Literal('offline')]);
export type AgentMode = Static<typeof AgentMode>;

const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
/** A server's state as the agent last heard it; `unknown` before, `down` when it did not answer. */
export const ObservedState = Type.Union([ServerState, Type.Literal('unknown'), Type.Literal('down')]);
export type ObservedState = Static<typeof ObservedState>;

/** `thinman-agent status --json`. A contract. */
export const AgentStatus = Type.Object({
  device: nullable(Type.String()),
  mode: AgentMode,
  server: nullable(Type.Object({ name: Type.String(), url: Type.String(), role: ServerRole, state: ObservedState })),
  servers: Type.Array(
    Type.Object({
      name: Type.String(),
      url: Type.String(),
      role: ServerRole,
      state: ObservedState,
      lastError: nullable(Type.String()),
    }),
  ),
  epoch: Type.Integer(),
  generation: Type.Integer(),
  session: nullable(
    Type.Object({
      user: Type.String(),
      mode: AgentMode,
      /** Unix milliseconds. */
      since: Type.Integer(),
      /** Whoever works here must type the password first; left out: not locked. */
      locked: Type.Optional(Type.Literal(true)),
      /** Nobody typed anything: the device signs this account in by itself. */
      autologin: Type.Optional(Type.Literal(true)),
    }),
  ),
  pendingEvents: Type.Integer({ minimum: 0 }),
  /** How the secret under which logins are cached is kept, and what is wrong with that; left out: in a file. */
  deviceSecret: Type.Optional(Type.Object({ kept: Type.String(), trouble: nullable(Type.String()) })),
  /** Whom this device is to sign in by itself (`session.autologin`); `reason`: why that was denied the last time, else null. */
  autologin: Type.Optional(Type.Object({ user: Type.String(), reason: nullable(Type.String()) })),
  /** What login screens of this device show to everybody (`session.loginMessage`); plain text, left out: nothing. */
  loginMessage: Type.Optional(Type.String()),
});
export type AgentStatus = Static<typeof AgentStatus>;
