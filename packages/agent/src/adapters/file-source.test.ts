import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { type BundleFile, FILE_PATH, problem } from '@thinman/protocol';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { deviceIdentity, httpsLab, type Lab } from '../../../../test/support/tls-lab.ts';
import { createTrust, type Trust } from '../../../../test/support/trust.ts';
import type { FileClient, ServerClient } from '../ports.ts';
import { systemClock } from './clock.ts';
import { createFileCache } from './file-cache.ts';
import { createFileSource, PART_BYTES } from './file-source.ts';
import { createServerClient } from './http-client.ts';

/** Three parts. */
const CONTENT = Buffer.alloc(PART_BYTES * 2 + 10, 'content');
const FILE: BundleFile = { name: 'w.png', sha256: hash('sha256', CONTENT, 'hex'), bytes: CONTENT.length };
const { signal } = new AbortController();

let trust: Trust;
let client: ServerClient & FileClient;
let folder: string;
const labs: Lab[] = [];
before(async () => {
  trust = await createTrust();
  const identity = await deviceIdentity(trust);
  client = createServerClient({ clock: systemClock, identity: () => identity });
  folder = mkdtempSync(join(tmpdir(), 'thinman-source-'));
});
afterEach(async () => {
  await Promise.all(labs.splice(0).map(lab => lab.stop()));
  rmSync(folder, { recursive: true, force: true });
});
after(() => client.close());

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Servers of the site, and how often each was asked. */
async function serversWith(...listeners: readonly Listener[]) {
  const asked = listeners.map(() => 0);
  const made = await Promise.all(
    listeners.map(async (listener, at) => {
      const lab = await httpsLab(trust, await trust.server(), (request, response) => {
        asked[at] = (asked[at] ?? 0) + 1;
        assert.equal(request.url, `${FILE_PATH}${FILE.sha256}`);
        listener(request, response);
      });
      labs.push(lab);
      return lab.server;
    }),
  );
  const clock = manualClock();
  const cache = createFileCache({ folder, source: createFileSource(client, () => made), clock });
  return { asked, cache, clock };
}

/** As a server of the site gives it. */
const gives =
  (content: Buffer): Listener =>
  ({ headers }, response) => {
    const [, from = '0', to = '0'] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${content.length}` });
    response.end(content.subarray(Number(from), Number(to) + 1));
  };

const refuses =
  (status: 404 | 503): Listener =>
  (_request, response) => {
    const said = problem(status === 404 ? 'not_found' : 'not_serving', { detail: 'It has not arrived here yet.' });
    response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(said));
  };

test('it comes in parts from the first server; from the next one where that does not have it', async () => {
  const first = await serversWith(gives(CONTENT), gives(CONTENT));
  assert.ok(readFileSync(await first.cache.ensure(FILE, signal)).equals(CONTENT));
  assert.deepEqual(first.asked, [3, 0]);
  for (const status of [503, 404] as const) {
    rmSync(folder, { recursive: true, force: true });
    const { asked, cache } = await serversWith(refuses(status), gives(CONTENT));
    assert.ok(readFileSync(await cache.ensure(FILE, signal)).equals(CONTENT));
    assert.deepEqual(asked, [3, 3]);
  }
});

test('where no server has it each is asked once, and its words are told', async () => {
  const { asked, cache } = await serversWith(refuses(503), refuses(503));
  await assert.rejects(cache.ensure(FILE, signal), /w\.png could not be fetched: It has not arrived here yet\./);
  assert.deepEqual(asked, [1, 1]);
});

test('a server that gives nothing, or the beginning again, is not asked for ever', async () => {
  for (const listener of [
    gives(Buffer.alloc(0)),
    ((_request, response) => response.end(CONTENT.subarray(0, 5))) satisfies Listener,
  ]) {
    rmSync(folder, { recursive: true, force: true });
    const { asked, cache } = await serversWith(listener);
    await assert.rejects(cache.ensure(FILE, signal), /a server gives less of it than there is/);
    assert.ok((asked[0] ?? 0) <= 2);
  }
});

test('a server that gives other bytes is not believed; when another one is in use, its bytes are', async () => {
  const other = Buffer.from(CONTENT);
  other[PART_BYTES + 1] = 0;
  let lies = true;
  const { cache, clock } = await serversWith((request, response) => gives(lies ? other : CONTENT)(request, response));
  await assert.rejects(cache.ensure(FILE, signal), /another content than the site says/);
  assert.equal(cache.pathOf(FILE), undefined);
  lies = false;
  await clock.advance(60_000);
  assert.ok(readFileSync(await cache.ensure(FILE, signal)).equals(CONTENT));
});

test('more than was asked for is refused before it is stored', async () => {
  const { cache } = await serversWith((_request, response) => response.end(Buffer.alloc(CONTENT.length + 1)));
  await assert.rejects(cache.ensure(FILE, signal), /w\.png/);
  assert.equal(cache.pathOf(FILE), undefined);
});

test('a file that is to come from elsewhere and does not is named: a section may have several', async () => {
  const { cache } = await serversWith();
  const url = 'https://127.0.0.1:1/logo.png';
  await assert.rejects(
    cache.ensure({ ...FILE, name: 'logo.png', url }, signal),
    /^Error: logo\.png could not be fetched: 127\.0\.0\.1:1 cannot be reached/,
  );
});
