import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplyAnswer, ServerReport } from '@thinman/protocol';
import { asPromised } from '../../support/contract.ts';
import { askSocket } from '../../support/local-socket.ts';
import type { Site } from '../../support/site.ts';

/** How often the Secondary is asked: a small part of what is measured, and no load on it. */
const LOOK_EVERY_MS = 2;

/** ms from the Primary's acknowledgement of a commit until the Secondary has its generation. */
export async function changeVisibleMs(site: Site, nth: number): Promise<number> {
  const user = { kind: 'User', name: 'changed', body: { displayName: `Change ${nth}` } };
  const { generation } = await applyTo(site.primary.data, [user]);
  const startedMs = performance.now();
  for (;;) {
    const status = await askSocket(join(site.secondary.data, 'admin.sock'), '/v1/admin/status', ServerReport);
    if (status !== undefined && status.generation >= generation) return performance.now() - startedMs;
    await delay(LOOK_EVERY_MS);
  }
}

async function applyTo(data: string, objects: readonly unknown[]): Promise<ApplyAnswer> {
  const body = JSON.stringify({ objects });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const call = { socketPath: join(data, 'admin.sock'), path: '/v1/admin/apply', method: 'POST', headers };
  const answer = await new Promise<string>((resolve, reject) => {
    request({ ...call, agent: false }, response => text(response).then(resolve, reject))
      .on('error', reject)
      .end(body);
  });
  return asPromised(ApplyAnswer, answer);
}
