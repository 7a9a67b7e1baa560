import Type, { type Static } from 'typebox';
import { ServerRole } from './statement.ts';

/** What a server can do now (`failover.md`, "When is a server what?"). */
export const ServerState = Type.Union([
  Type.Literal('serving'),
  Type.Literal('degraded'),
  Type.Literal('draining'),
  Type.Literal('unavailable'),
]);
export type ServerState = Static<typeof ServerState>;

/** `thinman-server status --json` and `GET /readyz` (200 when it can serve a login, else 503). A contract. */
export const ServerStatus = Type.Object({
  name: Type.String(),
  role: ServerRole,
  state: ServerState,
  epoch: Type.Integer(),
  generation: Type.Integer(),
  database: Type.Object({
    kind: Type.Union([Type.Literal('sqlite'), Type.Literal('mysql'), Type.Literal('mariadb')]),
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
    Type.Object({ user: Type.String(), mode: AgentMode, /** Unix milliseconds. */ since: Type.Integer() }),
  ),
  pendingEvents: Type.Integer({ minimum: 0 }),
});
export type AgentStatus = Static<typeof AgentStatus>;
