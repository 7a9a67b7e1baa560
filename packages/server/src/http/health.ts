import type { ServerStatus } from '@thinman/protocol';
import { canServeLogin } from '../core/serving-state.ts';
import type { HttpApp } from './codec.ts';
import type { Metrics } from './metrics/metrics.ts';

const OK = 200;
const UNAVAILABLE = 503;

/** `/healthz`: the process answers. `/readyz`: the server's state, 200 if it can serve a login. `/metrics`: Prometheus. */
export function health(deps: { readonly status: () => ServerStatus; readonly metrics: Metrics }) {
  return async (app: HttpApp): Promise<void> => {
    app.get('/healthz', async () => ({ alive: true }));
    app.get('/readyz', async (_request, reply) => {
      const status = deps.status();
      return reply.code(canServeLogin(status.state) ? OK : UNAVAILABLE).send(status);
    });
    app.get('/metrics', async (_request, reply) =>
      reply.header('content-type', deps.metrics.contentType).send(await deps.metrics.render()),
    );
  };
}
