import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createTrust, type Trust } from '../../../../../test/support/trust.ts';
import { CommandError, EXIT } from './command-error.ts';
import { trustFor } from './trust.ts';

let trust: Trust;
let server: Server;
let url: string;
let body = '';
before(async () => {
  trust = await createTrust();
  const { key, certificate } = await trust.server();
  server = createServer({ key, cert: certificate }, (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
});

test('the CA with the pin is trusted, whatever else the server gives out', async () => {
  const other = await createTrust();
  body = JSON.stringify({ certificates: ['garbage', other.caCertificate, trust.caCertificate] });
  assert.deepEqual(await trustFor(url, { pin: trust.pin }), [trust.caCertificate]);
});

test('somebody in between who has no such CA is told as what it is, whatever is answered', async () => {
  for (const answer of [
    { certificates: ['garbage'] },
    { certificates: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] },
    { certificates: [(await createTrust()).caCertificate] },
    { certificates: [] },
    { welcome: 'to the hotel' },
  ]) {
    body = JSON.stringify(answer);
    await assert.rejects(
      trustFor(url, { pin: trust.pin }),
      error =>
        error instanceof CommandError &&
        error.exitCode !== EXIT.failed &&
        /nothing was sent|reached/.test(error.message),
    );
  }
});
