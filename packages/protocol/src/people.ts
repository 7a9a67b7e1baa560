import Type, { type Static } from 'typebox';
import { LoginName, ObjectName } from './names.ts';
import { closed } from './objects/shape.ts';
import { AgentMode } from './status.ts';

/** `POST /v1/admin/users/unlock`, `POST /v1/admin/users/end-sessions`: of a user, at the server's time. `user`: in any form of a login. */
export const UserActRequest = closed({ user: LoginName });
export type UserActRequest = Static<typeof UserActRequest>;

/** The version of the commit. */
export const UserActAnswer = Type.Object({
  epoch: Type.Integer(),
  generation: Type.Integer(),
  name: Type.String(),
  /** What a directory says of this user is said there. */
  ofDirectory: Type.Optional(Type.Literal(true)),
});
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

/** `GET /v1/admin/offline-users`: of one device, or of one user. */
export const OfflineUsersQuery = Type.Union([closed({ device: ObjectName }), closed({ user: LoginName })]);
export type OfflineUsersQuery = Static<typeof OfflineUsersQuery>;

/** Devices in one answer about one user. */
export const MAX_OFFLINE_ANSWER = 1000;

/** Who could log in where without a server, as devices last told the server that is asked, since it started. */
export const OfflineUsersAnswer = Type.Object({
  server: Type.String(),
  items: Type.Array(
    Type.Object({
      device: Type.String(),
      user: Type.String(),
      userId: Type.String(),
      /** Unix ms. */
      until: Type.Integer(),
      /** Unix ms: when the device said so last. */
      toldAt: Type.Integer(),
      connected: Type.Boolean(),
    }),
  ),
  /** There are more devices than fit. */
  more: Type.Boolean(),
  /** Of the device that was asked about. */
  device: Type.Optional(
    Type.Object({
      /** Unix ms; null: it has not been connected to this server since that started. */
      toldAt: Type.Union([Type.Integer(), Type.Null()]),
      /** null: it was never asked to forget its users. `done`: it has said that it did. */
      wipe: Type.Union([
        Type.Object({ requestedAt: Type.Integer(), by: Type.String(), done: Type.Boolean() }),
        Type.Null(),
      ]),
    }),
  ),
});
export type OfflineUsersAnswer = Static<typeof OfflineUsersAnswer>;
