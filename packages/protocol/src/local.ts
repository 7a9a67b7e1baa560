import Type, { type Static } from 'typebox';
import { MAX_PASSWORD_LENGTH } from './limits.ts';
import { LoginName } from './names.ts';
import { ConnectionName } from './objects/connections/common.ts';
import { EffectiveProfile } from './objects/profile.ts';
import { closed } from './objects/shape.ts';
import { AgentMode, AgentStatus } from './status.ts';

export * from './local-api.ts';

/** `POST /v1/login` on a local socket. */
export const LocalLoginRequest = closed({
  user: LoginName,
  password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
});
export type LocalLoginRequest = Static<typeof LocalLoginRequest>;

/** `POST /v1/unlock` on a local socket: the password of whoever is signed in. */
export const LocalUnlockRequest = closed({ password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }) });
export type LocalUnlockRequest = Static<typeof LocalUnlockRequest>;

/** What `POST /v1/lock` answers; `nobody` is signed in, or a `kiosk` is by itself: there is nothing to lock. */
export const LocalLockAnswer = Type.Object({
  locked: Type.Boolean(),
  why: Type.Optional(Type.Union([Type.Literal('nobody'), Type.Literal('kiosk')])),
});
export type LocalLockAnswer = Static<typeof LocalLockAnswer>;

/** `POST /v1/activity` on a local socket. `idle`: from now on; said again it begins no later. */
export const ActivityReport = closed({ idle: Type.Boolean() });
export type ActivityReport = Static<typeof ActivityReport>;

/** With `POST /v1/pam`: where PAM asks from (its PAM_SERVICE, PAM_TTY and PAM_RHOST). A header: an agent before it passes it over. */
export const PAM_PLACE_HEADER = 'thinman-pam-place';

/** `POST /v1/pam` on a local socket: what PAM wants to know (its PAM_TYPE). A session is opened and closed on `control.sock` alone. */
export const LocalPamRequest = closed({
  type: Type.Union([
    Type.Literal('auth'),
    Type.Literal('account'),
    Type.Literal('open_session'),
    Type.Literal('close_session'),
  ]),
  user: LoginName,
  /** With `auth` alone. */
  password: Type.Optional(Type.String({ maxLength: MAX_PASSWORD_LENGTH })),
  /** As in LANG (`it_IT.UTF-8`): of the line that is answered. */
  language: Type.Optional(Type.String({ maxLength: 64 })),
});
export type LocalPamRequest = Static<typeof LocalPamRequest>;

/** What a login comes to: `thinman-agent login --json`. A contract. */
export const LoginResult = Type.Object({
  verdict: Type.Union([Type.Literal('granted'), Type.Literal('denied')]),
  /** Code of the denial; null when granted. */
  reason: Type.Union([Type.String(), Type.Null()]),
  mode: AgentMode,
  /** Name of the server whose answer was taken; null = the device decided by itself. */
  server: Type.Union([Type.String(), Type.Null()]),
  user: Type.String(),
  /** Version that the verdict rests on. */
  epoch: Type.Integer(),
  generation: Type.Integer(),
  elapsedMs: Type.Number({ minimum: 0 }),
  /** When granted. */
  profile: Type.Optional(EffectiveProfile),
  /** For people: a password that expires soon, "profile as of DATE". */
  warning: Type.Optional(Type.String()),
  /** Milliseconds until another try has a chance. */
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type LoginResult = Static<typeof LoginResult>;

/** One connection that can be opened now, and how it stands. */
export const ConnectionStatus = Type.Object({
  name: Type.String(),
  title: Type.Optional(Type.String()),
  type: Type.String(),
  order: Type.Optional(Type.Integer()),
  autostart: Type.Boolean(),
  /**
   * `open`: a client runs; `waiting`: it dropped and is opened again soon; `closing`: its client is ending; `failed`: it could not be
   * opened, or dropped for good; `replaced`: its fallback was opened in its place.
   */
  state: Type.Union([
    Type.Literal('closed'),
    Type.Literal('open'),
    Type.Literal('waiting'),
    Type.Literal('closing'),
    Type.Literal('failed'),
    Type.Literal('replaced'),
  ]),
  /** For people: why it is not open. */
  why: Type.Union([Type.String(), Type.Null()]),
  /** The connection that was opened in its place. */
  fallback: Type.Union([Type.String(), Type.Null()]),
});
export type ConnectionStatus = Static<typeof ConnectionStatus>;

/** `thinman-agent session --json`: who works here and what they can open, in the order of the screen. A contract. */
export const SessionView = Type.Object({
  /** null: nobody is signed in; the connections are the device's own, where its policy lets them be used. */
  user: Type.Union([Type.String(), Type.Null()]),
  connections: Type.Array(ConnectionStatus),
});
export type SessionView = Static<typeof SessionView>;

/** `POST /v1/session/connect` and `…/disconnect` on `control.sock`. */
export const ConnectionRequest = closed({ name: ConnectionName });
export type ConnectionRequest = Static<typeof ConnectionRequest>;

/** What `login.sock` tells anybody: no address, no error of a server. */
export const PublicAgentStatus = Type.Object({
  device: AgentStatus.properties.device,
  mode: AgentMode,
  session: AgentStatus.properties.session,
  loginMessage: AgentStatus.properties.loginMessage,
});
export type PublicAgentStatus = Static<typeof PublicAgentStatus>;
