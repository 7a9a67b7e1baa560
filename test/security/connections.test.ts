import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { createHttpApp, type SiteHttp } from '../../packages/server/src/http/app.ts';
import { DEFAULT_CONNECTION_LIMITS } from '../../packages/server/src/http/connection-limits.ts';
import { createCsr } from '../../packages/server/src/identity/csr.ts';
import { toPem } from '../../packages/server/src/identity/identity-files.ts';
import { createDeviceSite, type DeviceSite, PASSWORD, type TestDevice } from '../support/device-site.ts';
import { type RawTls, rawTls } from '../support/raw-tls.ts';
import { waitFor } from '../support/wait.ts';

const GET = 'GET /v1/ca HTTP/1.1\r\nhost: a\r\n\r\n';

let site: DeviceSite;
let device: TestDevice;
before(async () => {
  site = await createDeviceSite();
  device = await site.addDevice('tc-1');
  await site.addUser('alice');
});
after(() => site.close());

describe('connections that only lie there', () => {
  const LIMITS = { strangers: 3, perKey: 2 };
  let http: SiteHttp;
  let port: number;
  let open: RawTls[] = [];

  before(async () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { pem } = await site.authority.issueServer(await createCsr(key), 'small', ['https://127.0.0.1']);
    const tls = { key: toPem(key), cert: pem, ca: [site.ca.certificatePem] };
    http = createHttpApp({ tls, log: pino({ level: 'silent' }), limits: LIMITS });
    http.app.get('/v1/ca', async () => ({ here: true }));
    ({ port } = await http.listen('127.0.0.1', 0));
  });
  after(async () => {
    for (const { socket } of open) socket.destroy();
    await http.app.close();
  });

  const come = async (who?: TestDevice) => {
    const raw = await rawTls({ port, ca: site.ca.certificatePem, ...(who?.tls ?? {}) });
    open = [...open, raw];
    return raw;
  };
  const asks = async (raw: RawTls) => {
    raw.send(GET);
    await raw.until('an answer', heard => heard.includes('here'));
  };
  const stillThere = (all: readonly RawTls[]) => all.map(raw => !raw.isClosed());

  test('of strangers: the one that was silent for the longest time goes when another comes', async () => {
    const [first, second, third] = [await come(), await come(), await come()];
    await asks(first);
    const fourth = await come();
    await second.untilClosed();
    await asks(fourth);
    assert.deepEqual(stillThere([first, second, third, fourth]), [true, false, true, true]);
  });

  test('of one device are counted by themselves, and so are those of another', async () => {
    const tc2 = await site.addDevice('tc-2');
    const [first, second, other] = [await come(device), await come(device), await come(tc2)];
    const third = await come(device);
    await first.untilClosed();
    await asks(third);
    assert.deepEqual(stillThere([first, second, third, other]), [false, true, true, true]);
  });

  test('with a certificate of another CA are those of strangers', async () => {
    const twin = await site.selfSigned('tc-1');
    const first = await come(twin);
    for (let n = 0; n < LIMITS.strangers; n++) await come();
    await first.untilClosed();
  });
});

test('a thousand strangers who hold idle connections keep no device out, nor one another', async () => {
  const strangers: RawTls[] = [];
  const connect = () => rawTls({ port: site.primary.port, ca: site.ca.certificatePem });
  try {
    while (strangers.length < DEFAULT_CONNECTION_LIMITS.strangers + 50) {
      strangers.push(...(await Promise.all(Array.from({ length: 50 }, connect))));
    }
    const body = await site.loginRequest(site.primary, device, 'alice', PASSWORD);
    assert.equal((await site.primary.call(device, 'POST', '/v1/login', { body })).status, 200);
    const late = await connect();
    strangers.push(late);
    late.send(GET);
    await late.until('an answer', heard => heard.includes('CERTIFICATE'));
    await waitFor(
      'those beyond the limit to be cut',
      () => strangers.filter(raw => raw.isClosed()).length > 50 || undefined,
    );
    assert.ok(strangers.filter(raw => !raw.isClosed()).length <= DEFAULT_CONNECTION_LIMITS.strangers);
  } finally {
    for (const { socket } of strangers) socket.destroy();
  }
});
