import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcp } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  DEFAULT_AGENT_TIMINGS,
  type DeviceBundle,
  MAX_BODY_BYTES,
  PROTOCOL_VERSION,
  problem,
  type ServerStatus,
  type StatementServer,
  type ThinmanEvent,
} from '@thinman/protocol';
import { DEVICE_ID } from '../../../../test/support/ids.ts';
import { deviceIdentity, httpsLab, type Lab, tlsLab } from '../../../../test/support/tls-lab.ts';
import { type Credential, createTrust, statementServer, type Trust } from '../../../../test/support/trust.ts';
import type { Answer, DeviceIdentity, ServerClient } from '../ports.ts';
import { systemClock } from './clock.ts';
import { createServerClient } from './http-client.ts';

const PATIENCE_MS = 10_000;
const patience = () => AbortSignal.timeout(PATIENCE_MS);

let trust: Trust;
let credential: Credential;
let identity: DeviceIdentity;
let client: ServerClient;
const labs: Lab[] = [];

before(async () => {
  trust = await createTrust();
  credential = await trust.server();
  identity = await deviceIdentity(trust);
  client = createServerClient({ clock: systemClock, identity: () => identity });
});
afterEach(async () => {
  await Promise.all(labs.splice(0).map(lab => lab.stop()));
});
after(() => client.close());

type Listener = (request: IncomingMessage, response: ServerResponse, body: string) => void;

async function serve(listener: Listener, by = credential): Promise<Lab> {
  const lab = await httpsLab(trust, by, (request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', chunk => {
      body += chunk;
    });
    request.on('end', () => listener(request, response, body));
  });
  labs.push(lab);
  return lab;
}

function answer(response: ServerResponse, value: unknown, status = 200, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

const status: ServerStatus = {
  name: 'primary',
  role: 'primary',
  state: 'serving',
  epoch: 1,
  generation: 4,
  database: { kind: 'sqlite', reachable: true, lagMs: 0 },
  connectedDevices: 0,
  journalPending: 0,
  version: '0.1.0',
  schema: 1,
};

function reasonOf(result: Answer<unknown>): string {
  return result.kind === 'failed' ? result.reason : result.kind;
}

describe('what is asked', () => {
  test('carries the protocol version and the device’s certificate, over one connection that is kept', async () => {
    const seen: unknown[] = [];
    const lab = await serve((request, response) => {
      const socket = request.socket as import('node:tls').TLSSocket;
      seen.push([request.headers['thinman-protocol'], socket.authorized, request.url]);
      answer(response, status);
    });
    for (const _ of [1, 2, 3]) {
      assert.equal((await client.readyz(lab.server, patience())).kind, 'ok');
      await nextTurn(); // a connection is free again one turn of the event loop after its answer
    }
    assert.deepEqual(seen, Array(3).fill([String(PROTOCOL_VERSION), true, '/readyz']));
    assert.equal(lab.seen.handshakes, 1);
    assert.ok((client.roundTripMs(lab.server) ?? 0) > 0);
  });

  test('a slow answer does not hold up another question', async () => {
    let release = () => {};
    const lab = await serve((request, response) => {
      if (request.url === '/readyz') answer(response, status);
      else release = () => answer(response, { method: 'password' });
    });
    const slow = client.begin(lab.server, 'alice', patience());
    assert.equal((await client.readyz(lab.server, patience())).kind, 'ok');
    release();
    assert.deepEqual(reasonOf(await slow), 'ok');
  });

  test('after a reset the next question goes over a new connection, with the identity of then', async () => {
    const hashes: string[] = [];
    const lab = await serve((request, response) => {
      hashes.push((request.socket as import('node:tls').TLSSocket).getPeerCertificate().serialNumber);
      answer(response, status);
    });
    await client.readyz(lab.server, patience());
    const renewed = {
      ...identity,
      ...(await trust.device(identity.privateKey).then(c => ({ certificate: c.certificate }))),
    };
    const before = identity;
    identity = renewed;
    client.reset();
    await client.readyz(lab.server, patience());
    identity = before;
    client.reset();
    assert.equal(lab.seen.handshakes, 2);
    assert.notEqual(hashes[0], hashes[1]);
  });

  test('a batch of events that is too large for one body is sent up to where it fits', async () => {
    const lab = await serve((_request, response, body) => {
      assert.ok(body.length <= MAX_BODY_BYTES);
      answer(response, { stored: JSON.parse(body).events.map((one: ThinmanEvent) => one.id) });
    });
    const events = Array.from({ length: 200 }, (_, n): ThinmanEvent => {
      return {
        id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
        type: 'login',
        at: 1,
        data: { x: 'ü'.repeat(5_000) },
      };
    });
    const result = await client.sendEvents(lab.server, events, patience());
    assert.ok(result.kind === 'ok');
    assert.deepEqual(
      result.value.stored,
      events.slice(0, result.value.stored.length).map(one => one.id),
    );
    assert.ok(result.value.stored.length > 50 && result.value.stored.length < 200);
  });
});

describe('bundles', () => {
  const bundle: DeviceBundle = {
    version: { epoch: 1, generation: 4 },
    etag: 'abc',
    device: { id: DEVICE_ID, name: 'tc-1', group: null },
    settings: {},
    profile: { connections: [] },
    timings: DEFAULT_AGENT_TIMINGS,
  };

  test('come whole, or as unchanged up to a version', async () => {
    const lab = await serve((request, response) => {
      if (request.headers['if-none-match'] === '"abc"') response.writeHead(304, { 'thinman-version': '2.9' }).end();
      else answer(response, bundle, 200, { etag: '"abc"' });
    });
    const whole = await client.deviceBundle(lab.server, undefined, patience());
    assert.deepEqual(whole.kind === 'ok' && whole.value, { changed: true, bundle });
    const unchanged = await client.deviceBundle(lab.server, 'abc', patience());
    assert.deepEqual(unchanged.kind === 'ok' && unchanged.value, {
      changed: false,
      version: { epoch: 2, generation: 9 },
    });
  });

  test('unchanged without a version, or without having been asked, is no answer', async () => {
    const lab = await serve((_request, response) => response.writeHead(304).end());
    assert.equal(reasonOf(await client.deviceBundle(lab.server, 'abc', patience())), 'not_our_schema');
    assert.equal(reasonOf(await client.deviceBundle(lab.server, undefined, patience())), 'not_our_schema');
  });

  test('of a user carry the session', async () => {
    const lab = await serve((request, response) => {
      if (request.headers.authorization === 'Bearer TOKEN') response.writeHead(304, { 'thinman-version': '1.1' }).end();
      else answer(response, problem('session_invalid'), 401);
    });
    assert.equal(reasonOf(await client.userBundle(lab.server, 'TOKEN', 'abc', patience())), 'ok');
    assert.equal(reasonOf(await client.userBundle(lab.server, 'OTHER', 'abc', patience())), 'problem');
  });
});

describe('answers that are not a success', () => {
  test('a verdict is told with its code and its subject', async () => {
    const refusal = problem('credentials_invalid', { subject: { epoch: 1, generation: 3 }, serverTime: 5 });
    const lab = await serve((_request, response) => answer(response, refusal, 401));
    const result = await client.begin(lab.server, 'alice', patience());
    assert.deepEqual(result.kind === 'problem' && result.problem, refusal);
  });

  test('what a problem carries beside its own fields is handed on', async () => {
    const now = {
      method: 'derived',
      salt: 'AA',
      kdf: { algorithm: 'argon2id', memoryKib: 8, passes: 1, lanes: 1 },
      subject: { epoch: 1, generation: 1 },
    };
    const lab = await serve((_request, response) => answer(response, { ...problem('salt_changed'), now }, 409));
    const result = await client.begin(lab.server, 'alice', patience());
    assert.deepEqual(result.kind === 'problem' && (result.body as { now: unknown }).now, now);
  });

  test('a server that is not ready says its state all the same', async () => {
    const lab = await serve((_request, response) => answer(response, { ...status, state: 'unavailable' }, 503));
    const result = await client.readyz(lab.server, patience());
    assert.equal(result.kind === 'ok' && result.value.state, 'unavailable');
  });

  const nonsense: readonly [what: string, status: number, body: string, type: string][] = [
    ['the page of a captive portal', 200, '<html>Please log in</html>', 'text/html'],
    ['a gateway’s page', 502, '<html>Bad Gateway</html>', 'text/html'],
    ['a gateway’s time-out', 504, '', 'text/html'],
    ['a redirect', 302, '', 'text/html'],
    ['JSON of another schema', 200, '{"verdict":"granted"}', 'application/json'],
    ['half of a JSON text', 200, '{"name":"prim', 'application/json'],
    ['nothing', 200, '', 'application/json'],
    ['a problem document with the status of a success', 200, JSON.stringify(problem('internal')), 'application/json'],
    ['JSON nested a thousand deep', 200, '['.repeat(1000) + ']'.repeat(1000), 'application/json'],
  ];
  for (const [what, code, body, type] of nonsense) {
    test(`${what} is not our schema`, async () => {
      const lab = await serve((_request, response) =>
        response.writeHead(code, { 'content-type': type, location: 'https://127.0.0.1:1/' }).end(body),
      );
      assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'not_our_schema');
    });
  }

  test('an answer above the limit is cut off, with its connection', async () => {
    const lab = await serve((_request, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(64 * 1024)));
      };
      response.on('drain', more);
      more();
    });
    assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'not_our_schema');
  });
});

describe('answers that break off', () => {
  const raw = async (text: string): Promise<Lab> => {
    const lab = await tlsLab(trust, credential, socket => socket.on('data', () => socket.end(text)));
    labs.push(lab);
    return lab;
  };

  test('in a body of known length: truncated', async () => {
    const lab = await raw('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"name":');
    assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'truncated');
  });

  test('in a chunked body: truncated', async () => {
    const lab = await raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"nam\r\n');
    assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'truncated');
  });

  test('before the head: reset', async () => {
    const lab = await raw('');
    assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'reset');
  });

  test('with what is not HTTP: not our schema', async () => {
    const lab = await raw('SSH-2.0-OpenSSH_9.2\r\n');
    assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'not_our_schema');
  });
});

describe('servers that are not there', () => {
  test('a closed port: refused', async () => {
    const lab = await serve(() => {});
    await lab.stop();
    assert.equal(reasonOf(await client.readyz(lab.server, patience())), 'refused');
  });

  test('and of whoever is not there nothing is read of what this device would show', async () => {
    let reads = 0;
    const counting = createServerClient({
      clock: systemClock,
      identity() {
        reads += 1;
        return identity;
      },
    });
    const lab = await serve((_request, response) => response.end());
    await counting.readyz(lab.server, patience());
    assert.equal(reads, 1);
    await lab.stop();
    counting.reset();
    assert.equal(reasonOf(await counting.readyz(lab.server, patience())), 'refused');
    assert.equal(reads, 1);
    await counting.close();
  });

  test('a device whose own key cannot be read is told so, and goes on', async () => {
    const broken = createServerClient({ clock: systemClock, identity: () => ({ ...identity, privateKey: 'no key' }) });
    const lab = await serve(() => {});
    assert.equal(reasonOf(await broken.readyz(lab.server, patience())), 'tls');
    await broken.close();
  });

  test('a name that does not exist: name_not_found', async () => {
    const nowhere = statementServer('https://no-such-host.invalid', credential.keyHash);
    assert.equal(reasonOf(await client.readyz(nowhere, patience())), 'name_not_found');
  });

  test('TCP without TLS: the deadline of the connection ends it, not the one of the call', async () => {
    const silent = createTcp(socket => socket.resume());
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    const impatient = createServerClient({
      clock: systemClock,
      identity: () => identity,
      connectDeadlineMs: () => 100,
    });
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const result = await impatient.readyz(statementServer(url, credential.keyHash), patience());
    assert.equal(reasonOf(result), 'timeout');
    assert.ok(result.elapsedMs < PATIENCE_MS / 2, String(result.elapsedMs));
    await impatient.close();
    await new Promise(resolve => silent.close(resolve));
  });

  test('a server that hangs: the signal of the call ends it at its time', async () => {
    const lab = await serve(() => {});
    const result = await client.readyz(lab.server, AbortSignal.timeout(100));
    assert.equal(reasonOf(result), 'timeout');
    assert.ok(result.elapsedMs < 1_000, String(result.elapsedMs));
  });

  test('a call that is given up: aborted, before it begins as well', async () => {
    const lab = await serve(() => {});
    const controller = new AbortController();
    const result = client.readyz(lab.server, controller.signal);
    controller.abort();
    assert.equal(reasonOf(await result), 'aborted');
    assert.equal(reasonOf(await client.readyz(lab.server, AbortSignal.abort())), 'aborted');
  });

  test('calls under way when the client is closed end, and do not throw', async () => {
    const lab = await serve(() => {});
    const other = createServerClient({ clock: systemClock, identity: () => identity });
    const result = other.readyz(lab.server, patience());
    await new Promise(resolve => setImmediate(resolve));
    await other.close();
    assert.equal(reasonOf(await result), 'aborted');
  });
});

describe('a server that is not who it should be gets no byte of HTTP', () => {
  const impostor = async (by: Credential, pinned = by.keyHash, trusted = trust): Promise<[Lab, StatementServer]> => {
    const lab = await tlsLab(trusted, by, () => {});
    labs.push(lab);
    return [lab, { ...lab.server, keyHash: pinned }];
  };
  const day = 24 * 3_600_000;
  const cases: readonly [what: string, reason: string, make: () => Promise<[Lab, StatementServer]>][] = [
    [
      'a key outside the statement, with a right certificate',
      'not_in_statement',
      async () => impostor(await trust.server(), credential.keyHash),
    ],
    [
      'a certificate of another CA',
      'tls',
      async () => {
        const stranger = await createTrust();
        return impostor(await stranger.server(), undefined, stranger);
      },
    ],
    [
      'a certificate for another name',
      'tls',
      async () => impostor(await trust.server({ name: 'elsewhere.example.org' })),
    ],
    [
      'an expired certificate',
      'tls',
      async () =>
        impostor(
          await trust.server({ notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) }),
        ),
    ],
    [
      'a certificate of the future',
      'tls',
      async () =>
        impostor(
          await trust.server({ notBefore: new Date(Date.now() + day), notAfter: new Date(Date.now() + 2 * day) }),
        ),
    ],
    ["a device's certificate", 'tls', async () => impostor(await trust.device())],
    [
      'a certificate for clients alone, though its key is in the statement',
      'tls',
      async () => impostor(await trust.server({ purpose: 'client' })),
    ],
  ];
  for (const [what, reason, make] of cases) {
    test(`${what}: ${reason}`, async () => {
      const [lab, server] = await make();
      const result = await client.login(
        server,
        { method: 'password', loginId: DEVICE_ID, user: 'alice', password: 'a secret' },
        undefined,
        patience(),
      );
      assert.equal(reasonOf(result), reason);
      assert.equal(lab.seen.bytes, 0);
    });
  }
});

const past = { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) };
const future = { notBefore: new Date(Date.now() + 3_600_000), notAfter: new Date(Date.now() + 7_200_000) };
const LOST_CLOCKS = [
  ['stands in 1970', 0, future, past],
  ['is ten years ahead', Date.now() + 10 * 365 * 24 * 3_600_000, past, future],
  ['stands in 2099', Date.UTC(2099, 0), past, future],
] as const;

for (const [where, nowMs, seems, never] of LOST_CLOCKS)
  describe(`a device whose clock ${where}`, () => {
    const lostClock = { ...systemClock, nowMs: () => nowMs };
    const ask = async (lab: Lab, keyHash = lab.server.keyHash): Promise<string> => {
      labs.push(lab);
      const lost = createServerClient({ clock: lostClock, identity: () => identity });
      const result = await lost.readyz({ ...lab.server, keyHash }, patience());
      await lost.close();
      return reasonOf(result);
    };

    test('reaches the server that the statement names, though its certificate does not seem to hold', async () => {
      const text = JSON.stringify(status);
      const lab = await tlsLab(trust, await trust.server(seems), socket =>
        socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`)),
      );
      assert.equal(await ask(lab), 'ok');
      assert.ok(lab.seen.bytes > 0);
    });

    test('reaches it also when the site has changed its CA meanwhile, and the old one vouches for the new one', async () => {
      const next = await createTrust();
      const { certificate, ...by } = await next.server(seems);
      const text = JSON.stringify(status);
      for (const [bridge, expected] of [
        [await next.bridgeFrom(trust), 'ok'],
        [await next.bridgeFrom(await createTrust()), 'tls'],
        ['', 'tls'],
      ]) {
        const lab = await tlsLab(trust, { ...by, certificate: `${certificate}\n${bridge}` }, socket =>
          socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`)),
        );
        assert.equal(await ask(lab), expected);
      }
    });

    test('reaches nobody else: every other rule holds', async () => {
      const refused: readonly [Credential, string?][] = [
        [await trust.server(seems), credential.keyHash],
        [await trust.server({ ...seems, name: 'elsewhere.example.org' })],
        [await trust.server({ ...seems, purpose: 'client' })],
        [await trust.server({ ...seems, purpose: 'none' })],
        [await (await createTrust()).server(seems)],
        [await (await createTrust()).server()],
        [await trust.server(never)],
      ];
      for (const [by, keyHash] of refused) {
        const lab = await tlsLab(trust, by, () => {});
        assert.match(await ask(lab, keyHash), /^(tls|not_in_statement)$/);
        assert.equal(lab.seen.bytes, 0);
      }
    });
  });
