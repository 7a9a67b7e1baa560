import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, before, test } from 'node:test';
import { freePort } from '../../../../test/support/loopback.ts';
import { httpsLab, type Lab } from '../../../../test/support/tls-lab.ts';
import { createTrust, type Trust } from '../../../../test/support/trust.ts';
import { downloadUrl, type UrlDownloadOptions } from './url-download.ts';

const CONTENT = Buffer.from('a large file, '.repeat(20_000));

let trust: Trust;
const labs: Lab[] = [];
before(async () => {
  trust = await createTrust();
});
afterEach(async () => {
  await Promise.all(labs.splice(0).map(lab => lab.stop()));
});

async function serve(listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<Lab> {
  const lab = await httpsLab(trust, await trust.server(), listener);
  labs.push(lab);
  return lab;
}

/** What comes, put where it belongs; from which byte on. */
async function download(url: string, from = 0, more: Partial<UrlDownloadOptions> = {}) {
  const signal = new AbortController().signal;
  const parts: Uint8Array[] = [];
  let start: number | undefined;
  for await (const part of downloadUrl(url, from, { signal, ca: [trust.caCertificate], ...more })) {
    start ??= part.from;
    parts.push(part.bytes);
  }
  return { start, bytes: Buffer.concat(parts) };
}

/** As a web server that knows ranges. */
function withRanges({ headers }: IncomingMessage, response: ServerResponse): void {
  const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
  if (from === undefined) {
    response.end(CONTENT);
    return;
  }
  const range = `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`;
  response.writeHead(206, { 'content-range': range }).end(CONTENT.subarray(Number(from)));
}

test('a file comes whole, or from the byte on where it was cut off', async () => {
  const { server } = await serve(withRanges);
  assert.ok((await download(server.url)).bytes.equals(CONTENT));
  const rest = await download(server.url, 1_000);
  assert.deepEqual([rest.start, rest.bytes.equals(CONTENT.subarray(1_000))], [1_000, true]);
});

test('a web server that knows no ranges gives all of it; one that gives another part is refused', async () => {
  const { server } = await serve((_request, response) => response.end(CONTENT));
  const all = await download(server.url, 1_000);
  assert.deepEqual([all.start, all.bytes.equals(CONTENT)], [0, true]);
  for (const headers of [{ 'content-range': 'bytes 5-9/10' }, {}]) {
    const other = await serve((_request, response) => response.writeHead(206, headers).end('12345'));
    await assert.rejects(download(other.server.url, 1_000), /another part has come than was asked for/);
  }
});

test('redirects are followed, five at most, and to https alone', async () => {
  const target = await serve(withRanges);
  const to = (location: string, status = 302) =>
    serve((_request, response) => response.writeHead(status, { location }).end());
  for (const status of [301, 302, 303, 307, 308]) {
    const first = await to(`${target.server.url}/elsewhere`, status);
    assert.ok((await download(first.server.url, 7)).bytes.equals(CONTENT.subarray(7)), `${status}`);
  }
  let asked = 0;
  const round = await serve(({ url }, response) => {
    asked++;
    response.writeHead(302, { location: `${url}x` }).end();
  });
  await assert.rejects(download(round.server.url), /leads on more than 5 times: give the File the last url/);
  assert.equal(asked, 6);
  for (const location of ['http://127.0.0.1:1/', 'file:///etc/passwd', 'https://']) {
    await assert.rejects(download((await to(location)).server.url), /leads to what is not https \(302\)/, location);
  }
});

test('what is not there, or refused, is said with the host and the status', async () => {
  for (const [status, words] of [
    [404, /^Error: 127\.0\.0\.1:\d+ answers 404: look whether the url of the File is right$/],
    [403, /answers 403/],
    [500, /answers 500/],
    [304, /answers 304/],
    [416, /has fewer bytes than the File says \(416\)/],
  ] as const) {
    const { server } = await serve((_request, response) => response.writeHead(status).end());
    await assert.rejects(download(server.url, 10), error => words.test(String(error)));
  }
});

test('one that hangs is given up, before its answer and in the middle; so is one that hangs up', async () => {
  const silent = await serve(() => {});
  await assert.rejects(download(silent.server.url, 0, { stallMs: 50 }), /has sent nothing for 0.05 s/);
  const stuck = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length }).write(CONTENT.subarray(0, 10));
  });
  await assert.rejects(download(stuck.server.url, 0, { stallMs: 50 }), /has sent nothing for 0.05 s/);
  const cut = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 10), () => response.destroy());
  });
  await assert.rejects(download(cut.server.url), /hung up after 10 bytes/);
});

test('it ends when it is told to, also in the middle, and hangs up', async () => {
  const giveUp = new AbortController();
  const closed = Promise.withResolvers<void>();
  const { server } = await serve((request, response) => {
    request.once('close', () => closed.resolve());
    response.writeHead(200, { 'content-length': CONTENT.length }).write(CONTENT.subarray(0, 10), () => giveUp.abort());
  });
  await assert.rejects(download(server.url, 0, { signal: giveUp.signal }), /was cut off after \d+ bytes/);
  await closed.promise;
});

test('who takes no more hangs up: an endless file costs no more than was asked for', async () => {
  const closed = Promise.withResolvers<void>();
  const { server } = await serve((_request, response) => {
    const more = () => void (response.destroyed || response.write(CONTENT, () => setImmediate(more)));
    more();
    response.once('close', () => closed.resolve());
  });
  const { signal } = new AbortController();
  let bytes = 0;
  for await (const part of downloadUrl(server.url, 0, { signal, ca: [trust.caCertificate] })) {
    bytes += part.bytes.length;
    if (bytes > CONTENT.length * 2) break;
  }
  await closed.promise;
});

test('who proves nothing is not believed: a foreign certificate is named as the cause', async () => {
  const { server } = await serve(withRanges);
  await assert.rejects(download(server.url, 0, { ca: [] }), /does not trust its certificate/);
  const port = await freePort();
  await assert.rejects(download(`https://127.0.0.1:${port}/`), /cannot be reached \(ECONNREFUSED\)$/);
});
