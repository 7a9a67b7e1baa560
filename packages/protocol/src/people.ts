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

/** Somebody is refused because of failed logins, whatever the password, until then. */
export const ShownLockout = Type.Object({
  /** null: on every device on which this user has not logged in lately. */
  device: Type.Union([Type.String(), Type.Null()]),
  /** `account_locked`: this user; `too_many_attempts`: whoever tries on that device. */
  code: Type.Union([Type.Literal('account_locked'), Type.Literal('too_many_attempts')]),
  /** Unix ms by the server's clock. */
  until: Type.Integer(),
});
export type ShownLockout = Static<typeof ShownLockout>;

/** `GET /v1/admin/users/show?user`: one user as the helpdesk asks for them, by any form of the name, as the server that is asked sees it. */
export const UserShown = Type.Object({
  server: Type.String(),
  /** As the site, or the directory, has it. */
  name: Type.String(),
  source: Type.Union([Type.Literal('local'), Type.Literal('directory')]),
  displayName: Type.Union([Type.String(), Type.Null()]),
  disabled: Type.Boolean(),
  /** By an administrator; `thinman user unlock` lifts it. */
  locked: Type.Boolean(),
  lockouts: Type.Array(ShownLockout),
  sessions: SessionsAnswer.properties.items,
});
export type UserShown = Static<typeof UserShown>;

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
