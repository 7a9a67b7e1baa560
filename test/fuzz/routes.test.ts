import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHANNEL_PATH, LINK_PATH } from '@thinman/protocol';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createServer } from '../../packages/server/src/server.ts';
import { initSite } from '../../packages/server/src/setup/init-site.ts';
import { freePort } from '../support/loopback.ts';
import { TARGETS } from './fuzz.ts';
import { ADMIN_ROUTES, CA_ROUTES, DEVICE_ROUTES, HEALTH_ROUTES, JOIN_ROUTES, type Route } from './requests.ts';

const namesOf = (routes: readonly { readonly method: string; readonly path: string }[]) =>
  [...new Set(routes.map(({ method, path }) => `${method} ${path}`))].toSorted();

/** What the tables lack is forgotten by the fuzzer: add it to `requests.ts`, with what it takes and what it answers. */
test('every route of a running server is fuzzed, and no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-routes-'));
  const apps: { method: string; path: string }[][] = [];
  const onApp = (message: unknown) => {
    const { fastify: app } = message as { readonly fastify: FastifyInstance };
    const routes: { method: string; path: string }[] = [];
    apps.push(routes);
    app.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) routes.push({ method: one, path: url });
    });
  };
  // fastify tells of each instance that is made: the composition is looked at from outside.
  subscribe('fastify.initialization', onApp);
  try {
    const port = await freePort();
    const address = { listen: `127.0.0.1:${port}`, url: `https://127.0.0.1:${port}` };
    const dataDir = join(folder, 'primary');
    await initSite({ dataDir, name: 'primary', ...address });
    const server = createServer({ dataDir, log: pino({ level: 'silent' }) });
    await server.start();
    await server.drain();
  } finally {
    unsubscribe('fastify.initialization', onApp);
    rmSync(folder, { recursive: true });
  }
  const [network = [], local = [], ...others] = apps.map(routes => namesOf(routes));
  const isLogin = ({ path }: Route) => path === '/v1/admin/login' || path === '/v1/admin/logout';
  assert.deepEqual(others, []);
  assert.deepEqual(network, namesOf([...DEVICE_ROUTES, ...JOIN_ROUTES, ...HEALTH_ROUTES, ...ADMIN_ROUTES]));
  assert.deepEqual(local, namesOf([...ADMIN_ROUTES.filter(route => !isLogin(route)), ...CA_ROUTES]));
});

test('both WebSockets are fuzzed', () => {
  const names = TARGETS.map(({ name }) => name);
  assert.deepEqual(
    [CHANNEL_PATH, LINK_PATH].map(path => path.replace('/v1/', '')).filter(name => !names.includes(name)),
    [],
  );
});
