// Apart from the schemas, and imported as `@thinman/protocol/local-api`: a command that only asks the agent starts without them.

export { readUtf8 } from './utf8.ts';

/**
 * The device's own sockets (HTTP + JSON over a Unix socket), for the command line, PAM, greeters and lockers:
 * `POST /v1/login`, `GET /v1/status`, `GET /v1/events`, `POST /v1/pam`, `POST /v1/activity`, `POST /v1/lock`, `POST /v1/unlock` on both; on `control.sock` alone `POST /v1/logout`,
 * `GET /v1/session`, `POST /v1/session/connect`, `POST /v1/session/disconnect`.
 */
export const LOCAL_PATHS = {
  login: '/v1/login',
  logout: '/v1/logout',
  status: '/v1/status',
  /** Locks the screen; opens it by the password of whoever works here alone. On both. */
  lock: '/v1/lock',
  unlock: '/v1/unlock',
  events: '/v1/events',
  session: '/v1/session',
  connect: '/v1/session/connect',
  disconnect: '/v1/session/disconnect',
  /** Nobody has touched the device lately, or somebody does again: on both sockets, for a screen locker may run as anybody. */
  activity: '/v1/activity',
  /** For the helper of pam_exec: JSON in, one line for the person out; 200 is yes, all else no. */
  pam: '/v1/pam',
  /** Where the greeter page is, with its token: on `control.sock` alone. */
  greeter: '/v1/greeter',
  emergency: '/v1/emergency',
  password: '/v1/password',
} as const;

/** A body on a local socket: a name and a password. */
export const MAX_LOCAL_BODY_BYTES = 16 * 1024;
