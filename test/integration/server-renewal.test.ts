import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { get, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Problem, parseJson } from '@thinman/protocol';
import {
  openCertificateAuthority,
  SERVER_CERTIFICATE_LIFETIME_MS,
} from '../../packages/server/src/identity/certificate-authority.ts';
import { createCsr } from '../../packages/server/src/identity/csr.ts';
import { manualClock } from '../support/manual-clock.ts';
import { type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const DAY_MS = 24 * 3_600_000;
const PASSWORD = 'a-first-password';

let site: SiteInProcess;
let secondary: LocalServer;
before(async () => {
  site = await siteInProcess();
  secondary = await site.joinSecondary();
  await site.apply({ kind: 'User', name: 'alice', body: { password: PASSWORD } });
});
after(() => site.close());

/** Asks again and again over new connections, and trusts the site alone; gives what went wrong. */
function keepAsking(server: LocalServer): {
  stop(): Promise<{ readonly asked: number; readonly failures: unknown[] }>;
} {
  const failures: unknown[] = [];
  let asked = 0;
  let stopped = false;
  const askOnce = () =>
    new Promise<void>(resolve => {
      get(`${server.url}/readyz`, { ca: server.read('ca.crt'), agent: false }, answer => {
        if (answer.statusCode !== 200) failures.push(answer.statusCode);
        answer.resume().on('end', resolve);
      }).on('error', error => {
        failures.push(error);
        resolve();
      });
    });
  const asking = (async () => {
    while (!stopped) {
      await askOnce();
      asked += 1;
      await delay(5);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await asking;
      return { asked, failures };
    },
  };
}

async function waitForNewCertificate(server: LocalServer, before: string) {
  return waitFor(`a new certificate of ${server.name}`, async () => {
    const shown = await server.shownCertificate();
    return shown.serialNumber === before ? undefined : shown;
  });
}

/** What the Secondary has done is known to the site only over its link. */
const heardFromSecondary = (renewals: number) =>
  waitFor('the event of the Secondary', async () => {
    const own = (await site.events('certificate.renewed')).filter(({ origin }) => origin === 'server:secondary');
    return own.length === renewals ? own : undefined;
  });

test('Primary and Secondary renew at two thirds of the lifetime, while they run, and nobody notices', async () => {
  const device = await site.enrol('tc-1');
  const agent = await device.start();
  await device.waitUntilOnline();
  const servers = [site.primary, secondary];
  const asking = servers.map(keepAsking);
  const before = await Promise.all(servers.map(server => server.shownCertificate()));
  for (const { clock } of servers) {
    clock.jump(0.6 * SERVER_CERTIFICATE_LIFETIME_MS);
    clock.ring();
  }
  assert.equal((await agent.login('alice', PASSWORD)).verdict, 'granted');
  assert.deepEqual(await Promise.all(servers.map(server => server.shownCertificate())), before);

  for (const [at, server] of servers.entries()) {
    server.clock.jump(0.15 * SERVER_CERTIFICATE_LIFETIME_MS);
    server.clock.ring();
    const shown = await waitForNewCertificate(server, before[at]?.serialNumber ?? '');
    assert.ok(Math.abs(shown.validToMs - server.clock.nowMs() - SERVER_CERTIFICATE_LIFETIME_MS) < DAY_MS);
    const onDisk = new X509Certificate(server.read('identity/tls.crt'));
    assert.equal(onDisk.serialNumber, shown.serialNumber);
    assert.equal(onDisk.subjectAltName, 'IP Address:127.0.0.1');
    assert.ok(onDisk.checkPrivateKey(createPrivateKey(server.read('identity/tls.key'))), 'the key stays');
    const { serialNumber } = await metricAndShown(server);
    assert.equal(serialNumber, shown.serialNumber);
  }
  assert.equal((await agent.login('alice', PASSWORD)).verdict, 'granted');
  const events = await waitFor('the events', async () => {
    const found = (await site.events('certificate.renewed')).filter(({ origin }) => origin.startsWith('server:'));
    return found.length < 2 ? undefined : found;
  });
  assert.deepEqual(events.map(({ origin }) => origin).toSorted(), ['server:primary', 'server:secondary']);
  assert.ok(events.every(({ data }) => data.issuer === site.made.caPin && Number(data.expiresAt) > Date.now()));

  for (const each of asking) {
    const { asked, failures } = await each.stop();
    assert.deepEqual(failures, []);
    assert.ok(asked > 10, `asked ${asked} times`);
  }
  // Not again, although the clock of TLS and the clock of the server differ by years now.
  const held = await site.primary.shownCertificate();
  site.primary.clock.ring();
  assert.deepEqual(await site.primary.shownCertificate(), held);
  await device.stop();
});

async function metricAndShown(server: LocalServer) {
  const text = await server.metrics();
  const shown = await server.shownCertificate();
  const [, seconds] = /^thinman_certificate_expires_at_seconds (\d+)$/m.exec(text) ?? [];
  assert.equal(Number(seconds) * 1000, shown.validToMs);
  return shown;
}

test('a Secondary whose certificate has expired gets a new one, and has its link again by that one', async () => {
  await secondary.stop();
  const clock = manualClock();
  clock.setNow(Date.now() - SERVER_CERTIFICATE_LIFETIME_MS - DAY_MS);
  const authority = openCertificateAuthority(site.primary.read('identity/ca.key'), site.primary.read('ca.crt'), clock);
  const csr = await createCsr(createPrivateKey(secondary.read('identity/tls.key')));
  const { pem } = await authority.issueServer(csr, 'secondary', [secondary.url]);
  assert.ok(new X509Certificate(pem).validToDate.getTime() < Date.now());
  writeFileSync(join(secondary.dir, 'identity/tls.crt'), pem);
  await secondary.start();
  const { serialNumber } = new X509Certificate(pem);
  await waitForNewCertificate(secondary, serialNumber);
  await heardFromSecondary(2);
});

describe('the Primary gives a server certificate', () => {
  const renew = (server: LocalServer, csr: string, client: { readonly key?: string; readonly cert?: string }) =>
    new Promise<string>((resolve, reject) => {
      const body = JSON.stringify({ csr });
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const options = { ca: server.read('ca.crt'), agent: false, method: 'POST', headers, ...client } as const;
      const sent = request(`${server.url}/v1/renew-server`, options, answer => {
        let text = '';
        answer.on('data', chunk => {
          text += chunk;
        });
        answer.on('end', () => {
          const problem = parseJson(Problem, text, 100_000);
          resolve(problem.ok ? problem.value.code : 'issued');
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const ofSecondary = () => ({ key: secondary.read('identity/tls.key'), cert: secondary.read('identity/tls.crt') });
  const csrOf = (pem: string) => createCsr(createPrivateKey(pem));

  test('to a server of the statement, for the key that it has shown', async () => {
    const { key, cert } = ofSecondary();
    assert.equal(await renew(site.primary, await csrOf(key), { key, cert }), 'issued');
    const another = site.primary.read('identity/tls.key');
    assert.equal(await renew(site.primary, await csrOf(another), { key, cert }), 'bad_request');
    assert.equal(await renew(site.primary, 'no request', { key, cert }), 'bad_request');
  });

  test('to no device, and to nobody without a certificate', async () => {
    const { privateKey, certificate } = (await site.enrol('tc-2')).identity();
    const client = { key: privateKey, cert: certificate };
    assert.equal(await renew(site.primary, await csrOf(privateKey), client), 'forbidden');
    assert.equal(await renew(site.primary, await csrOf(ofSecondary().key), {}), 'forbidden');
  });

  test('as the Primary alone', async () => {
    const { key, cert } = ofSecondary();
    assert.equal(await renew(secondary, await csrOf(key), { key, cert }), 'not_primary');
  });

  test('to no server that an administrator has removed', async () => {
    const { key, cert } = ofSecondary();
    await site.remove('Server', 'secondary');
    assert.equal(await renew(site.primary, await csrOf(key), { key, cert }), 'forbidden');
  });
});
