import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import {
  type EnrollAnswer,
  type ErrorCode,
  encodeToken,
  type ProblemExtras,
  problem,
  type TokenContent,
} from '@thinman/protocol';
import { DEVICE_ID, SITE_ID } from '../../../../test/support/ids.ts';
import { httpsLab, type Lab } from '../../../../test/support/tls-lab.ts';
import {
  type Credential,
  createTrust,
  publicKeyOfCsr,
  statementOf,
  statementServer,
  type Trust,
} from '../../../../test/support/trust.ts';
import { openCache } from './cache.ts';
import { lockDataFolder } from './cache-lock.ts';
import { systemClock } from './clock.ts';
import { enroll } from './enrolment.ts';
import { openIdentityStore } from './identity-store.ts';

const SECRET = 'AAECAwQFBgcICQoLDA0ODw';

let trust: Trust;
let credential: Credential;
let dataDir: string;
let labs: Lab[] = [];
before(async () => {
  trust = await createTrust();
  credential = await trust.server();
});
beforeEach(() => {
  dataDir = join(mkdtempSync(join(tmpdir(), 'thinman-enrol-')), 'agent');
});
afterEach(async () => {
  await Promise.all(labs.map(lab => lab.stop()));
  labs = [];
  rmSync(join(dataDir, '..'), { recursive: true, force: true });
});

type Asked = { path: string; hasCertificate: boolean; body: string };
type Site = { url: string; asked: Asked[] };

/** A server that gives out its CA, and answers an enrolment as told. */
async function site(
  onEnroll: (body: { secret: string; csr: string; name?: string }, response: ServerResponse) => void | Promise<void>,
  options: { by?: Credential; ca?: string; trust?: Trust } = {},
): Promise<Site> {
  const asked: Asked[] = [];
  const lab = await httpsLab(options.trust ?? trust, options.by ?? credential, (request, response) => {
    let body = '';
    request.on('data', chunk => {
      body += chunk;
    });
    request.on('end', () => {
      const { subject } = (request.socket as import('node:tls').TLSSocket).getPeerCertificate();
      asked.push({ path: request.url ?? '', hasCertificate: subject !== undefined, body });
      if (request.url === '/v1/ca') send(response, { certificates: [options.ca ?? trust.caCertificate] });
      else void onEnroll(JSON.parse(body), response);
    });
  });
  labs.push(lab);
  return { url: lab.server.url, asked };
}

function send(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
const refuse = (code: ErrorCode, extras?: ProblemExtras) => (_body: unknown, response: ServerResponse) => {
  const document = problem(code, extras);
  send(response, document, document.status);
};

/** The right answer, as a Primary gives it; `change` makes it wrong. */
function grant(change: (answer: EnrollAnswer) => EnrollAnswer | Promise<EnrollAnswer> = answer => answer) {
  return async (body: { csr: string; name?: string }, response: ServerResponse) => {
    const certificate = await trust.certify(await publicKeyOfCsr(body.csr));
    const statement = trust.sign(statementOf(trust, [statementServer('https://127.0.0.1:1', credential.keyHash)]));
    const answer: EnrollAnswer = {
      siteId: SITE_ID,
      deviceId: DEVICE_ID,
      name: body.name ?? 'tc-7',
      certificate,
      caCertificates: [trust.caCertificate],
      statement,
      version: { epoch: 1, generation: 12 },
    };
    send(response, await change(answer));
  };
}

const token = (urls: readonly string[], fields: Partial<TokenContent> = {}) =>
  encodeToken({ for: 'device', urls: [...urls], pins: [trust.pin], secret: SECRET, ...fields });

const enrolled = () => existsSync(join(dataDir, 'identity', 'device.json'));

test('a device becomes one of the site, and knows the version of its own beginning', async () => {
  const { url, asked } = await site(grant());
  const result = await enroll({ token: token([url]), dataDir, name: 'tc-1' });
  assert.deepEqual(result, { ok: true, siteId: SITE_ID, deviceId: DEVICE_ID, name: 'tc-1' });
  const store = openIdentityStore(join(dataDir, 'identity'));
  const identity = store.load();
  assert.ok(identity !== undefined);
  assert.ok(new X509Certificate(identity.certificate).publicKey.equals(createPublicKey(identity.privateKey)));
  assert.equal(identity.deviceSecret.length, 32);
  assert.equal(store.loadStatement()?.statement.version, 1);
  const cache = openCache(join(dataDir, 'cache.db'), { ...identity, clock: systemClock });
  assert.deepEqual(cache.acceptedVersion(), { epoch: 1, generation: 12 });
  cache.close();
  assert.deepEqual(
    asked.map(one => [one.path, one.hasCertificate, one.body.includes(SECRET)]),
    [
      ['/v1/ca', false, false],
      ['/v1/enroll', false, true],
    ],
  );
  assert.ok(
    !readdirSync(join(dataDir, 'identity')).some(file =>
      readFileSync(join(dataDir, 'identity', file)).includes(SECRET),
    ),
  );
});

test('a folder of a server, or of anybody else, is left as it is, and nobody is asked', async () => {
  const { url, asked } = await site(grant());
  for (const [file, words] of [
    ['server.json', /is the data folder of a server: choose an empty folder/],
    ['identity/wrapping.key', /is the data folder of a server/],
    ['holiday.jpg', /holds what is no agent's \(holiday\.jpg\)/],
  ] as const) {
    const folder = join(dataDir, basename(file));
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '{}');
    const before = readdirSync(folder, { recursive: true });
    const result = await enroll({ token: token([url]), dataDir: folder });
    assert.ok(!result.ok);
    assert.equal(result.why, 'foreign_folder');
    assert.match(result.message, words);
    assert.deepEqual(readdirSync(folder, { recursive: true }), before);
  }
  assert.deepEqual(asked, []);
});

test('what an agent has left in its folder, and a file system, keeps nobody from enrolling there', async () => {
  const { url } = await site(grant());
  for (const folder of ['identity', 'applied', 'lost+found']) mkdirSync(join(dataDir, folder), { recursive: true });
  for (const file of ['lock', 'cache.db.set-aside-1']) writeFileSync(join(dataDir, file), '');
  assert.ok((await enroll({ token: token([url]), dataDir })).ok);
});

test('a Secondary sends the device on to the Primary, and a dead server is passed over', async () => {
  const primary = await site(grant());
  const secondary = await site(refuse('not_primary', { primaryUrl: primary.url }));
  const result = await enroll({ token: token(['https://127.0.0.1:1', secondary.url]), dataDir });
  assert.ok(result.ok);
  assert.equal(result.name, 'tc-7');
});

test('two servers that name each other as Primary end the search', async () => {
  const urls: string[] = [];
  const one = await site((body, response) => refuse('not_primary', { primaryUrl: urls[1] ?? '' })(body, response));
  const two = await site((body, response) => refuse('not_primary', { primaryUrl: urls[0] ?? '' })(body, response));
  urls.push(one.url, two.url);
  const result = await enroll({ token: token(urls), dataDir });
  assert.equal(!result.ok && result.why, 'no_primary');
  assert.ok(!enrolled());
});

test('with another CA than the token names nothing is sent, and the message says so', async () => {
  const stranger = await createTrust();
  const { url, asked } = await site(grant(), { ca: stranger.caCertificate });
  const result = await enroll({ token: token([url]), dataDir });
  assert.ok(!result.ok);
  assert.equal(result.why, 'pin_mismatch');
  assert.match(result.message, /pin/);
  assert.deepEqual(
    asked.map(one => one.path),
    ['/v1/ca'],
  );
});

test('a server that gives out the right CA but is not certified by it gets no secret', async () => {
  const stranger = await createTrust();
  const { url, asked } = await site(grant(), { trust: stranger, by: await stranger.server() });
  const result = await enroll({ token: token([url]), dataDir });
  assert.equal(!result.ok && result.why, 'unreachable');
  assert.deepEqual(
    asked.map(one => one.path),
    ['/v1/ca'],
  );
});

test('a server whose certificate is for another host, or for a client, gets no secret', async () => {
  for (const by of [await trust.server({ name: 'elsewhere.example.org' }), await trust.device()]) {
    const { url, asked } = await site(grant(), { by });
    assert.ok(!(await enroll({ token: token([url]), dataDir })).ok);
    assert.deepEqual(
      asked.map(one => one.path),
      ['/v1/ca'],
    );
  }
});

test('with two pins the CA may be either', async () => {
  const { url } = await site(grant());
  const stranger = await createTrust();
  assert.ok((await enroll({ token: token([url], { pins: [stranger.pin, trust.pin] }), dataDir })).ok);
});

describe('a final refusal stops the search and leaves no identity', () => {
  for (const [code, words] of [
    ['token_invalid', /new one/],
    ['name_taken', /--name/],
  ] as const) {
    test(code, async () => {
      const first = await site(refuse(code));
      const second = await site(grant());
      const result = await enroll({ token: token([first.url, second.url]), dataDir, name: 'tc-1' });
      assert.ok(!result.ok);
      assert.equal(result.why, 'refused');
      assert.equal(result.code, code);
      assert.match(result.message, words);
      assert.deepEqual(second.asked, []);
      assert.ok(!enrolled());
    });
  }
});

test('a refused token is told with what the server says of it, which drives no terminal', async () => {
  const { url } = await site(refuse('token_invalid', { detail: 'this token is for the device tc-1\u001b[2J' }));
  const result = await enroll({ token: token([url]), dataDir, name: 'tc-2' });
  assert.ok(!result.ok);
  assert.match(result.message, /^the token is refused \(this token is for the device tc-1\\u001b\[2J\): .*new one/);
});

test('after a lost answer the same key is presented again', async () => {
  const keys: string[] = [];
  const lossy = await site((body, response) => {
    keys.push(body.csr);
    response.destroy();
  });
  assert.equal((await enroll({ token: token([lossy.url]), dataDir })).ok, false);
  const { url } = await site(async (body, response) => {
    keys.push(body.csr);
    await grant()(body, response);
  });
  assert.ok((await enroll({ token: token([url]), dataDir })).ok);
  const [first, second] = await Promise.all(keys.map(publicKeyOfCsr));
  assert.ok(second !== undefined && first?.equals(second));
});

describe('an answer that does not fit is not taken', () => {
  const changes: readonly [what: string, change: (answer: EnrollAnswer) => EnrollAnswer | Promise<EnrollAnswer>][] = [
    [
      "a certificate of another device's key",
      async answer => ({ ...answer, certificate: (await trust.device()).certificate }),
    ],
    [
      'a certificate of another CA',
      async answer => ({ ...answer, certificate: (await (await createTrust()).device()).certificate }),
    ],
    ['no certificate', answer => ({ ...answer, certificate: 'none' })],
    [
      'a statement of another CA',
      async answer => ({ ...answer, statement: (await createTrust()).sign(JSON.parse(answer.statement.statement)) }),
    ],
    ["a statement of another site's id", answer => ({ ...answer, siteId: DEVICE_ID })],
    [
      'a statement that does not know the server',
      answer => ({
        ...answer,
        statement: trust.sign(statementOf(trust, [statementServer('https://127.0.0.1:1', trust.pin)])),
      }),
    ],
  ];
  for (const [what, change] of changes) {
    test(what, async () => {
      const { url } = await site(grant(change));
      const result = await enroll({ token: token([url]), dataDir });
      assert.equal(!result.ok && result.why, 'answer_not_valid');
      assert.ok(!enrolled());
    });
  }

  test('CAs that the statement does not name are not trusted from then on', async () => {
    const stranger = await createTrust();
    const { url } = await site(
      grant(answer => ({ ...answer, caCertificates: [stranger.caCertificate, trust.caCertificate] })),
    );
    assert.ok((await enroll({ token: token([url]), dataDir })).ok);
    const cas = openIdentityStore(join(dataDir, 'identity')).load()?.caCertificates;
    assert.deepEqual(
      cas?.map(pem => new X509Certificate(pem).fingerprint256),
      [new X509Certificate(trust.caCertificate).fingerprint256],
    );
  });
});

describe('refused before anybody is asked', () => {
  test('a device that is enrolled already', async () => {
    const { url, asked } = await site(grant());
    await enroll({ token: token([url]), dataDir });
    const before = asked.length;
    const result = await enroll({ token: token([url]), dataDir });
    assert.equal(!result.ok && result.why, 'already_enrolled');
    assert.equal(asked.length, before);
  });

  test('a folder that an agent uses', async () => {
    const { url } = await site(refuse('token_invalid'));
    await enroll({ token: token([url]), dataDir });
    const lock = lockDataFolder(join(dataDir, 'lock'));
    const result = await enroll({ token: token([url]), dataDir });
    lock?.release();
    assert.equal(!result.ok && result.why, 'folder_in_use');
  });

  test('a cut token, a token for a server, a bad name', async () => {
    const good = token(['https://127.0.0.1:1']);
    const why = async (text: string, name?: string) => {
      const result = await enroll({ token: text, dataDir, name });
      return result.ok ? 'ok' : result.why;
    };
    assert.equal(await why(good.slice(0, -2)), 'bad_token');
    assert.equal(await why(token(['https://127.0.0.1:1'], { for: 'server' })), 'bad_token');
    assert.equal(await why(good, 'a name'), 'bad_name');
    assert.ok(!existsSync(dataDir));
  });
});
