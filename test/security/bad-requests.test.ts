import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { MAX_BODY_BYTES, PROTOCOL_HEADER, PROTOCOL_VERSION } from '@thinman/protocol';
import { pino } from 'pino';
import { createHttpApp, type SiteHttp } from '../../packages/server/src/http/app.ts';
import { createCsr } from '../../packages/server/src/identity/csr.ts';
import { toPem } from '../../packages/server/src/identity/identity-files.ts';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../support/device-site.ts';
import { rawTls, statusCodes } from '../support/raw-tls.ts';

const TWO_MIB = 2 * 1024 * 1024;

let site: DeviceSite;
let device: TestDevice;

before(async () => {
  site = await createDeviceSite();
  device = await site.addDevice('tc-1');
  await site.addUser('alice');
});
after(() => site.close());

const connection = (who?: TestDevice) =>
  rawTls({ port: site.primary.port, ca: site.ca.certificatePem, ...(who?.tls ?? {}) });
const head = (lines: readonly string[], path = '/v1/events') =>
  [
    `POST ${path} HTTP/1.1`,
    'host: a',
    `${PROTOCOL_HEADER}: ${PROTOCOL_VERSION}`,
    'content-type: application/json',
    ...lines,
    '',
    '',
  ].join('\r\n');

async function expectStillServing(): Promise<void> {
  const body = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
  assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).status, 200);
}

describe('a body that is too large', () => {
  test('of a known length is refused before it is sent', async () => {
    const raw = await connection(device);
    raw.send(head([`content-length: ${TWO_MIB}`]));
    assert.match(await raw.until('an answer', heard => heard.includes('too_large')), /^HTTP\/1\.1 413 /);
    await raw.untilClosed();
  });

  test('of unknown length is refused at the limit, and the rest is not waited for', async () => {
    const raw = await connection(device);
    raw.send(head(['transfer-encoding: chunked']));
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    for (let sent = 0; sent <= MAX_BODY_BYTES; sent += 0x10000) raw.send(chunk);
    assert.match(await raw.until('an answer', heard => heard.includes('too_large')), /^HTTP\/1\.1 413 /);
    await raw.untilClosed();
  });

  test('of a stranger is not read at all', async () => {
    const raw = await connection();
    raw.send(head([`content-length: ${TWO_MIB}`]));
    assert.match(await raw.until('an answer', heard => heard.includes('device_unknown')), /^HTTP\/1\.1 403 /);
    raw.socket.destroy();
  });
});

describe('a request that two programs could read in two ways is refused, and nothing after it is read', () => {
  const AMBIGUOUS: Readonly<Record<string, readonly string[]>> = {
    'two lengths': ['content-length: 2', 'content-length: 30'],
    'the same length twice': ['content-length: 2', 'content-length: 2'],
    'a list of lengths': ['content-length: 2, 2'],
    'a negative length': ['content-length: -2'],
    'a length with a sign': ['content-length: +2'],
    'a length and chunks': ['content-length: 2', 'transfer-encoding: chunked'],
    'chunks and a length': ['transfer-encoding: chunked', 'content-length: 2'],
    'an encoding that is nearly `chunked`': ['transfer-encoding: xchunked'],
    '`chunked` that is not the last encoding': ['transfer-encoding: chunked, gzip'],
    'a space before the colon': ['content-length : 2'],
    'a header that goes on in the next line': ['content-length: 2', ' 3'],
    'a bare carriage return': ['x: a\rcontent-length: 2', 'content-length: 3'],
    'a zero byte': ['x: a\0b', 'content-length: 2'],
  };
  for (const [what, lines] of Object.entries(AMBIGUOUS)) {
    test(what, async () => {
      const raw = await connection(device);
      raw.send(`${head(lines)}{}GET /v1/ca HTTP/1.1\r\nhost: a\r\n\r\n`);
      const heard = await raw.untilClosed();
      assert.deepEqual(statusCodes(heard), [400], heard);
      assert.ok(!heard.includes('CERTIFICATE'), 'what was smuggled in was answered');
    });
  }
});

describe('a request that does not come to its end', () => {
  test('is nobody’s trouble but its own', async () => {
    const cut = await connection(device);
    cut.send(`${head(['content-length: 100'])}{"events":[`);
    cut.socket.destroy();
    const halfClosed = await connection(device);
    halfClosed.send(`${head(['content-length: 100'])}{"events":[`);
    halfClosed.socket.end();
    await halfClosed.untilClosed();
    await expectStillServing();
  });

  test('a body that ends inside its JSON is 400', async () => {
    const raw = await connection(device);
    raw.send(`${head(['content-length: 11'])}{"events":[`);
    assert.match(await raw.until('an answer', heard => heard.includes('bad_request')), /^HTTP\/1\.1 400 /);
    raw.socket.destroy();
  });
});

describe('who is slow is cut off', () => {
  const CHECK_MS = 20;
  const LATE_MS = 100;
  let http: SiteHttp;
  let port: number;

  before(async () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { pem } = await site.authority.issueServer(await createCsr(key), 'slow', ['https://127.0.0.1']);
    http = createHttpApp({
      tls: { key: toPem(key), cert: pem, ca: [site.ca.certificatePem] },
      log: pino({ level: 'silent' }),
      timeouts: { headersTimeout: LATE_MS, requestTimeout: LATE_MS, connectionsCheckingInterval: CHECK_MS },
    });
    http.app.post('/body', async () => ({}));
    ({ port } = await http.listen('127.0.0.1', 0));
  });
  after(() => http.app.close());
  const slow = () => rawTls({ port, ca: site.ca.certificatePem });

  // A device that asks in the very moment in which its idle connection is cut takes this for the answer: it must not be told that it asks badly.
  test('one who says nothing after the handshake', async () => {
    assert.deepEqual(statusCodes(await (await slow()).untilClosed()), [503]);
  });

  test('one whose head comes byte by byte', async () => {
    const raw = await slow();
    const dribble = setInterval(() => raw.send('x: y\r\n'), CHECK_MS);
    raw.send('GET /v1/ca HTTP/1.1\r\nhost: a\r\n');
    const heard = await raw.untilClosed().finally(() => clearInterval(dribble));
    assert.deepEqual(statusCodes(heard), [503]);
  });

  test('one whose body comes byte by byte', async () => {
    const raw = await slow();
    const dribble = setInterval(() => raw.send(' '), CHECK_MS);
    raw.send('POST /body HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{');
    const heard = await raw.untilClosed().finally(() => clearInterval(dribble));
    assert.deepEqual(statusCodes(heard), [503]);
    assert.match(heard, /overloaded/);
  });
});
