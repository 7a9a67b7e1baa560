// A journal that fills to its limit because its way out is closed (failover.md, row 18): what is acknowledged, and what is said.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { EventBatchAnswer, PROTOCOL_HEADER, PROTOCOL_VERSION, parseValue, type ThinmanEvent } from '@thinman/protocol';
import type { Agent } from './agent-commands.ts';
import { untilReport } from './full-disk.ts';
import { deviceCredential } from './impostor.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';

/** The least that `SiteSettings` allow. */
export const SMALL_JOURNAL = { journalLimitBytes: 2 ** 20 } as const;

/** Up to the brim: the largest event that a device may send, and the smallest: no event of the server's own is smaller. */
const TEXT_LENGTHS = [15_000, 1_000, 0] as const;

/** Events of this device, to `server` alone, until it takes no more; gives the ids that it has acknowledged. */
export async function fillJournal(server: Server, device: Agent): Promise<readonly string[]> {
  const taken: string[] = [];
  for (const length of TEXT_LENGTHS) {
    for (;;) {
      const event: ThinmanEvent = {
        ...{ id: randomUUID(), type: 'a', at: 1 },
        data: length === 0 ? {} : { text: 'x'.repeat(length) },
      };
      const stored = await handOver(server, device, event);
      if (stored.length === 0) break;
      taken.push(...stored);
    }
  }
  await untilReport(server, 'to be unavailable', ({ state }) => state === 'unavailable');
  return taken;
}

async function handOver({ url }: Server, device: Agent, event: ThinmanEvent): Promise<readonly string[]> {
  const { key, certificate: cert } = deviceCredential(device);
  const asked = request(`${url}/v1/events`, {
    // The server is this test's own, and no secret is sent to it: who it is does not matter here.
    ...{ method: 'POST', agent: false, key, cert, rejectUnauthorized: false },
    headers: { 'content-type': 'application/json', [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) },
  });
  asked.end(JSON.stringify({ events: [event] }));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const body = await json(answer);
  if (answer.statusCode === 503) return [];
  const read = parseValue(EventBatchAnswer, body);
  assert.ok(answer.statusCode === 200 && read.ok, JSON.stringify(body));
  return read.value.stored;
}

/** All that was acknowledged is there once, and that the journal filled was said well before its end, and at its end. */
export async function expectAllOfIt(site: Site, taken: readonly string[]): Promise<void> {
  await site.settle();
  const events = await site.primary.events();
  const acknowledged = new Set(taken);
  const found = events.map(({ id }) => id).filter(id => acknowledged.has(id));
  assert.deepEqual(found.toSorted(), taken.toSorted());
  const told = events.filter(({ type }) => type === 'journal.filling').map(({ data }) => data.percent);
  assert.deepEqual([told.includes(50), told.includes(80)], [true, true], JSON.stringify(told));
  const log = readFileSync(join(site.folder, 'logs', `${site.primary.name}.log`), 'utf8');
  assert.match(log, /events wait in the journal and fill it: look at the way to the source of record/);
  assert.match(log, /events can be written down nowhere.*raise SiteSettings\.server\.journalLimitBytes/);
}
