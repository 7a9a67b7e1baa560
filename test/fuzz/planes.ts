import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request as httpsRequest } from 'node:https';
import { pino } from 'pino';
import type { AdminDeps } from '../../packages/server/src/admin-plane/admin-deps.ts';
import { ADMIN_PREFIX } from '../../packages/server/src/admin-plane/admin-plane.ts';
import { NOTHING_MISSING } from '../../packages/server/src/core/missing.ts';
import { createLocalApp } from '../../packages/server/src/http/app.ts';
import { health } from '../../packages/server/src/http/health.ts';
import { createMetrics } from '../../packages/server/src/http/metrics/metrics.ts';
import { noCaRotation } from '../../packages/server/src/identity/ca-rotation.ts';
import { caRoutes } from '../../packages/server/src/identity/ca-routes.ts';
import { joinRoute } from '../../packages/server/src/identity/join-route.ts';
import { renewServerRoute } from '../../packages/server/src/identity/renew-server-route.ts';
import { statementRoute } from '../../packages/server/src/link/statement-route.ts';
import { createAcceptDatabase } from '../../packages/server/src/recovery/accept-database.ts';
import { createPromotion } from '../../packages/server/src/recovery/promote.ts';
import { recoveryRoutes } from '../../packages/server/src/recovery/recovery-routes.ts';
import { createAdminSite } from '../support/admin-site.ts';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../support/device-site.ts';
import { type Answer, wrongIn } from './answers.ts';
import {
  ADMIN_ROUTES,
  CA_ROUTES,
  DEVICE_ROUTES,
  type FuzzRequest,
  HEALTH_ROUTES,
  JOIN_ROUTES,
  requestsTo,
} from './requests.ts';
import type { Target } from './target.ts';

/** Stands for the session's token, which changes as sessions end. */
const SESSION = 'Bearer SESSION';
/** Not one of the names that random bodies have: nobody locks or deletes it by chance. */
const USER = 'fuzzer';
/** So often the caller logs in anew, and locks of the time before are over. */
const ANEW_EVERY = 100;
const LOCKS_PAST_MS = 20 * 60_000;

const withSession = ({ headers, ...rest }: FuzzRequest, token: string): FuzzRequest => {
  const { authorization, ...others } = headers;
  if (authorization === undefined) return { ...rest, headers };
  return { ...rest, headers: { ...others, authorization: authorization.replace('SESSION', () => token) } };
};

/** The device plane over real TLS, as an enrolled device with a session (`device`), or without a certificate (`stranger`). */
export function devicePlane(name: 'device' | 'stranger'): Target<FuzzRequest> {
  const asDevice = name === 'device';
  return {
    name,
    parts: asDevice ? 6 : 10,
    inputs: requestsTo(DEVICE_ROUTES, asDevice ? { authorization: SESSION } : {}),
    async open() {
      const site = await createDeviceSite();
      await site.put('DeviceGroup', 'ward', {});
      const device = asDevice ? await site.addDevice('tc-1', { group: 'ward' }) : undefined;
      for (const user of [USER, 'alice', 'bob']) await site.addUser(user);
      const agent = new Agent({ keepAlive: true, ca: site.ca.certificatePem, ...device?.tls });
      let token = '';
      let asked = 0;
      return {
        async check(request) {
          if (device !== undefined && asked++ % ANEW_EVERY === 0) {
            site.clock.forward(LOCKS_PAST_MS);
            token = await logIn(site, device);
          }
          const whole = withSession(request, token);
          const answer = await sendTls(agent, site.primary.port, whole);
          if (request.path.startsWith('/v1/logout') && device !== undefined) asked = 0;
          return wrongIn(DEVICE_ROUTES, whole, answer);
        },
        async close() {
          agent.destroy();
          await site.close();
        },
      };
    },
  };
}

async function logIn(site: DeviceSite, device: TestDevice): Promise<string> {
  const body = await site.loginRequest(site.primary, device, USER, PASSWORD, randomUUID());
  const answer = await site.primary.call(device, 'POST', '/v1/login', { body });
  if (answer.status !== 200) throw new Error(`the fuzzer's own login is refused: ${JSON.stringify(answer.body)}`);
  return answer.body.session.token;
}

/** A kept connection may have been closed by the server after the answer before: then a second one is asked. */
async function sendTls(agent: Agent, port: number, request: FuzzRequest): Promise<Answer> {
  try {
    return await sendOnce(agent, port, request);
  } catch {
    return sendOnce(agent, port, request);
  }
}

function sendOnce(agent: Agent, port: number, { method, path, headers, body }: FuzzRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { host: '127.0.0.1', port, method, path, agent, headers: { ...headers, ...length } };
    const sent = httpsRequest(options, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', chunk => {
        text += chunk;
      });
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, contentType: answer.headers['content-type'], text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The admin plane: by the admin socket (`local`), or with a session over the network. */
export function adminPlane(way: 'local' | 'network'): Target<FuzzRequest> {
  const routes = way === 'local' ? [...ADMIN_ROUTES, ...CA_ROUTES] : ADMIN_ROUTES;
  return {
    name: `admin-${way}`,
    parts: way === 'local' ? 11 : 20,
    inputs: requestsTo(routes, way === 'network' ? { authorization: SESSION } : {}),
    async open() {
      const site = await createAdminSite();
      // The change itself needs a whole site; what is asked for is read here.
      if (way === 'local') {
        await site.apps.local.register(caRoutes(noCaRotation(site.deps)), { prefix: ADMIN_PREFIX });
        await site.apps.local.register(recoveryRoutes(recoveryOf(site.deps)), { prefix: ADMIN_PREFIX });
      }
      let token = '';
      let asked = 0;
      return {
        async check(request) {
          // Random requests delete administrators and change their passwords as well: then it goes on as a stranger.
          if (way === 'network' && asked++ % ANEW_EVERY === 0) token = await site.login().catch(() => '');
          const { method, path: url, headers, body } = withSession(request, token);
          const payload = body === undefined ? {} : { payload: body };
          const answer = await site.apps[way].inject({ method, url, headers: { ...headers }, ...payload });
          const { statusCode: status, body: text } = answer;
          return wrongIn(routes, request, { status, contentType: contentTypeOf(answer), text });
        },
        close: () => site.close(),
      };
    },
  };
}

/** Of a Primary whose database has all that was seen of it: nothing is accepted, nobody promoted. */
function recoveryOf(write: AdminDeps) {
  const deps = { write, folder: '/nowhere', caCertificates: () => [] };
  const nothing = () => assert.fail('a Primary was promoted');
  return {
    acceptDatabase: createAcceptDatabase({
      ...{ ...deps, seesNobody: () => false, secondaries: { known: () => [], overrule() {} } },
    }),
    promotion: createPromotion({
      ...{ ...deps, role: () => 'primary' as const, removed: () => false, linked: () => false },
      missing: () => NOTHING_MISSING,
      ca: { held: () => undefined, place: nothing },
      database: { open: nothing, use: nothing },
    }),
  };
}

/** What servers ask: joining, which asks for no certificate, and renewal, here without one. */
export function joinPlane(): Target<FuzzRequest> {
  return {
    name: 'join',
    parts: 15,
    inputs: requestsTo(JOIN_ROUTES),
    async open() {
      const site = await createDeviceSite();
      const { identity, write } = site.primary.deps;
      const restate = async () => site.primary.deps.statement().signed;
      const app = createLocalApp({ log: pino({ level: 'silent' }) });
      const authority = () => ({ issue: site.authority.issueServer, restate });
      await app.register(joinRoute({ identity, write, authority }));
      const { statement } = site.primary.deps;
      const renewal = { identity, write, statement, authority: () => site.authority };
      await app.register(renewServerRoute({ ...renewal, log: pino({ level: 'silent' }) }));
      await app.register(statementRoute({ statement, record: write.record, clock: write.clock }));
      return {
        async check(request) {
          const { method, path: url, headers, body } = request;
          const payload = body === undefined ? {} : { payload: body };
          const answer = await app.inject({ method, url, headers: { ...headers }, ...payload });
          const { statusCode: status, body: text } = answer;
          return wrongIn(JOIN_ROUTES, request, { status, contentType: contentTypeOf(answer), text });
        },
        async close() {
          await app.close();
          await site.close();
        },
      };
    },
  };
}

/** What is told to everybody. */
export function healthRoutes(): Target<FuzzRequest> {
  return {
    name: 'health',
    parts: 4,
    inputs: requestsTo(HEALTH_ROUTES),
    async open() {
      const site = await createAdminSite();
      const app = createLocalApp({ log: pino({ level: 'silent' }) });
      const { status } = site.deps;
      await app.register(health({ status, metrics: createMetrics(status) }));
      return {
        async check(request) {
          const { method, path: url, headers, body } = request;
          const payload = body === undefined ? {} : { payload: body };
          const answer = await app.inject({ method, url, headers: { ...headers }, ...payload });
          const { statusCode: status, body: text } = answer;
          return wrongIn(HEALTH_ROUTES, request, { status, contentType: contentTypeOf(answer), text });
        },
        async close() {
          await app.close();
          await site.close();
        },
      };
    },
  };
}

const contentTypeOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) =>
  typeof headers['content-type'] === 'string' ? headers['content-type'] : undefined;
