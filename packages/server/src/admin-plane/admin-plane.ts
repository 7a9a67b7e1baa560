import { AdminLoginRequest, parseValue } from '@thinman/protocol';
import type { HttpApp } from '../http/codec.ts';
import { done, refusingTrouble } from '../http/outcome.ts';
import { bearerToken, localAccess, sessionAccess } from './access.ts';
import type { AdminDeps } from './admin-deps.ts';
import { createAdminLogin } from './admin-login.ts';
import { createAdminSessions } from './admin-sessions.ts';
import { deploymentRoutes } from './deployment-routes.ts';
import { deviceRoutes } from './device-routes.ts';
import { createLoginThrottle } from './login-throttle.ts';
import { objectRoutes } from './object-routes.ts';
import { addRoutes, badRequest, send } from './route.ts';
import { siteRoutes } from './site-routes.ts';
import { userRoutes } from './user-routes.ts';

/** Where the admin plane is mounted, on the network and on the admin socket alike. */
export const ADMIN_PREFIX = '/v1/admin';

/** A login's body: a name and a password. */
const MAX_LOGIN_BODY_BYTES = 16 * 1024;

/**
 * Administration for one way in: `network` (HTTPS, sessions after a login) or `local` (the admin socket: whoever may open
 * it is an owner). Writes happen on the Primary alone. Register it under ADMIN_PREFIX.
 */
export function adminPlane(deps: AdminDeps, way: 'network' | 'local'): (app: HttpApp) => Promise<void> {
  return async app => {
    const sessions = createAdminSessions(deps.clock, deps.replica);
    const access = way === 'local' ? localAccess : sessionAccess(sessions);
    addRoutes(app, access, [
      ...objectRoutes(deps),
      ...deviceRoutes(deps),
      ...deploymentRoutes(deps),
      ...siteRoutes(deps),
      ...userRoutes(deps),
    ]);
    if (way === 'network') addLogin(app, deps, sessions);
  };
}

function addLogin(app: HttpApp, deps: AdminDeps, sessions: ReturnType<typeof createAdminSessions>): void {
  const login = createAdminLogin({ ...deps, sessions, throttle: createLoginThrottle(deps.clock) });
  app.post('/login', { bodyLimit: MAX_LOGIN_BODY_BYTES }, async (request, reply) => {
    const parsed = parseValue(AdminLoginRequest, request.body);
    if (!parsed.ok) return send(reply, badRequest(parsed.problems));
    return send(reply, await refusingTrouble(() => login(parsed.value, request.ip)));
  });
  app.post('/logout', async (request, reply) => {
    const token = bearerToken(request);
    if (token !== undefined) sessions.close(token);
    return send(reply, done({}));
  });
}
