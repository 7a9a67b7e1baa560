import Type, { type Static } from 'typebox';
import { ObjectName } from './names.ts';
import { closed } from './objects/shape.ts';
import { AgentMode } from './status.ts';

/** `POST /v1/admin/users/unlock`, `POST /v1/admin/users/end-sessions`: of a local user, at the server's time. */
export const UserActRequest = closed({ user: ObjectName });
export type UserActRequest = Static<typeof UserActRequest>;

/** The version of the commit. */
export const UserActAnswer = Type.Object({ epoch: Type.Integer(), generation: Type.Integer(), name: Type.String() });
export type UserActAnswer = Static<typeof UserActAnswer>;

/** `GET /v1/admin/sessions`: who works where, as far as the server that is asked can see. */
export const SessionsAnswer = Type.Object({
  server: Type.String(),
  items: Type.Array(
    Type.Object({
      device: Type.String(),
      userId: Type.String(),
      /** null: the server does not know this user by name (a directory's, or one of whom it has not heard yet). */
      user: Type.Union([Type.String(), Type.Null()]),
      mode: AgentMode,
      /** Unix ms: when the login behind it began, by the device's clock. */
      since: Type.Integer(),
      /** Which serves the session; servers of an earlier release tell only of themselves. */
      server: Type.Optional(Type.String()),
    }),
  ),
  /** Servers whose sessions are not known now: what is listed of them is what they said last. */
  unseen: Type.Optional(Type.Array(Type.String())),
});
export type SessionsAnswer = Static<typeof SessionsAnswer>;
