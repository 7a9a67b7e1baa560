import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { waitFor } from '../../../../test/support/wait.ts';
import { createSiteCa, openCertificateAuthority, type SiteCa } from '../identity/certificate-authority.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { systemClock } from '../runtime/clock.ts';
import { createHttpApp, type SiteHttp } from './app.ts';
import { devicePeer } from './peer.ts';
import { createWebSocketServer } from './upgrades.ts';

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('the HTTPS side', () => {
  let ca: SiteCa;
  let http: SiteHttp;
  let port: number;
  const serverCredential = async () => {
    const authority = openCertificateAuthority(toPem(ca.key), ca.certificatePem, systemClock);
    const key = newKey();
    const { pem } = await authority.issueServer(await createCsr(key), 'primary', ['https://127.0.0.1']);
    return { key: toPem(key), cert: pem, ca: [ca.certificatePem], keyHash: keyHashOf(key) };
  };
  before(async () => {
    ca = await createSiteCa('11111111-2222-4333-8444-555555555555', Date.now());
    http = createHttpApp({ tls: await serverCredential(), log: pino({ level: 'silent' }) });
    http.app.get('/peer', async ({ raw }) => ({ peer: devicePeer(raw.socket) ?? null }));
    const sockets = createWebSocketServer();
    http.upgrades.on('/echo', (upgrade, socket, head) =>
      sockets.handleUpgrade(upgrade, socket, head, ws => ws.send('hello')),
    );
    ({ port } = await http.listen('127.0.0.1', 0));
  });
  after(() => http.app.close());

  const ask = (path: string, options: object = {}) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, ca: ca.certificatePem, agent: false, ...options }, answer => {
        let body = '';
        answer.on('data', chunk => {
          body += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      })
        .on('error', reject)
        .end();
    });
  const handshake = (options: object = {}) =>
    new Promise<TLSSocket>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: ca.certificatePem, ...options }, () => resolve(socket));
      socket.on('error', reject);
    });

  test('speaks TLS 1.3, takes 1.2, refuses older', async () => {
    const modern = await handshake();
    assert.equal(modern.getProtocol(), 'TLSv1.3');
    modern.destroy();
    const older = await handshake({ maxVersion: 'TLSv1.2' });
    older.destroy();
    await assert.rejects(handshake({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }));
  });

  test('lets everybody in and says who it is: nobody, a twin with its own signature, one of the site', async () => {
    assert.deepEqual(JSON.parse((await ask('/peer')).body), { peer: null });
    const twin = await createSiteCa('11111111-2222-4333-8444-555555555555', Date.now());
    const asTwin = JSON.parse((await ask('/peer', { key: toPem(twin.key), cert: twin.certificatePem })).body);
    assert.deepEqual(asTwin.peer, { keyHash: keyHashOf(twin.key), authorized: false, expired: false });
    const mine = await serverCredential();
    const asMine = JSON.parse((await ask('/peer', { key: mine.key, cert: mine.cert })).body);
    assert.deepEqual(asMine, { peer: { keyHash: mine.keyHash, authorized: true, expired: false } });
  });

  test('takes a new certificate without a pause', async () => {
    const next = await serverCredential();
    http.setTls(next);
    const socket = await handshake();
    const certificate = socket.getPeerX509Certificate();
    assert.ok(certificate);
    assert.equal(keyHashOf(certificate.publicKey), next.keyHash);
    socket.destroy();
  });

  test('answers an upgrade that it does not know with a problem document', async () => {
    const upgrade = {
      headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'x' },
    };
    const unknown = await ask('/nothing', upgrade);
    assert.equal(unknown.status, 404);
    assert.equal(JSON.parse(unknown.body).code, 'not_found');
    const other = await ask('/echo', { headers: { connection: 'Upgrade', upgrade: 'h2c' } });
    assert.equal(JSON.parse(other.body).code, 'bad_request');
  });

  test('lets go of a refused upgrade, also of one that does not close its side', async () => {
    const stranger = await handshake({ allowHalfOpen: true });
    const refused = new Promise(resolve => stranger.once('data', resolve));
    stranger.write('GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await refused;
    const count = promisify(http.app.server.getConnections.bind(http.app.server));
    await waitFor('its end', async () => ((await count()) === 0 ? true : undefined), 10_000);
    stranger.destroy();
  });

  test('closes although a WebSocket is open', async () => {
    const own = createHttpApp({ tls: await serverCredential(), log: pino({ level: 'silent' }) });
    const sockets = createWebSocketServer();
    own.upgrades.on('/echo', (upgrade, socket, head) =>
      sockets.handleUpgrade(upgrade, socket, head, ws => ws.send('hello')),
    );
    const at = await own.listen('127.0.0.1', 0);
    const socket = new WebSocket(`wss://127.0.0.1:${at.port}/echo`, { ca: ca.certificatePem });
    await new Promise(resolve => socket.on('message', resolve));
    const closed = new Promise(resolve => socket.on('close', resolve));
    await own.app.close();
    await closed;
  });
});
