import Type, { type Static } from 'typebox';
import { MAX_PASSWORD_LENGTH } from './limits.ts';
import { LoginName } from './names.ts';
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

/** What `login.sock` tells anybody: no address, no error of a server. */
export const PublicAgentStatus = Type.Object({
  device: AgentStatus.properties.device,
  mode: AgentMode,
  session: AgentStatus.properties.session,
});
export type PublicAgentStatus = Static<typeof PublicAgentStatus>;
