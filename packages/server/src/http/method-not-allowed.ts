import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp } from './codec.ts';
import { sendProblem } from './problems.ts';

type Route = { readonly pattern: RegExp; readonly method: string };

/** 404, or 405 with `allow` where the path is known by another method. To be called before the routes are added. */
export function useNotFound(app: HttpApp): void {
  const routes: Route[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = patternOf(url);
    for (const one of [method].flat()) routes.push({ pattern, method: one });
  });
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
    if (allowed.length === 0) return sendProblem(reply, 'not_found');
    reply.header('allow', allowed.join(', '));
    return sendProblem(reply, 'method_not_allowed');
  });
}

function patternOf(url: string): RegExp {
  const parts = url.split('/').map(part => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^A-Za-z0-9_-]/g, char => `\\${char}`);
  });
  return new RegExp(`^${parts.join('/')}$`);
}
