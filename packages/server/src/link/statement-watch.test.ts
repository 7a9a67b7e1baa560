import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { StatementAnswer, StatementServer } from '@thinman/protocol';
import { pino } from 'pino';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { createHttpApp, type SiteHttp } from '../http/app.ts';
import { createSiteCa, openCertificateAuthority } from '../identity/certificate-authority.ts';
import { createCsr } from '../identity/csr.ts';
import { toPem } from '../identity/identity-files.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { signStatement } from '../identity/statement.ts';
import type { HeldStatement } from '../identity/statement-holder.ts';
import { systemClock } from '../runtime/clock.ts';
import { statementRoute } from './statement-route.ts';
import { createStatementWatch } from './statement-watch.ts';

const LINE = [
  { epoch: 2, begunBy: 'a-promotion', last: 51 },
  { epoch: 1, begunBy: 'the-first-one', last: 50 },
];
const raw = Buffer.alloc(32).toString('base64url');

describe('the statement that servers ask each other for', () => {
  let site: Awaited<ReturnType<typeof createSiteCa>>;
  let https: SiteHttp;
  let held: HeldStatement;
  let asked: number[];
  let last: { version: { epoch: number; generation: number }; commitId: string } | undefined;

  async function makeHost(name: string) {
    const ca = openCertificateAuthority(toPem(site.key), site.certificatePem, systemClock);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { pem } = await ca.issueServer(await createCsr(privateKey), name, ['https://127.0.0.1:1']);
    return { name, key: privateKey, tls: { keyPem: toPem(privateKey), certificatePem: pem } };
  }
  type Host = Awaited<ReturnType<typeof makeHost>>;
  const entry = (name: string, role: StatementServer['role'], key: KeyObject): StatementServer => {
    const { port } = https.app.server.address() as AddressInfo;
    const keys = { keyHash: keyHashOf(key), sessionKey: raw, wrappingKey: raw };
    return { name, role, url: `https://127.0.0.1:${port}`, ...keys };
  };
  /** What this host hears when it asks, resting on epoch 1. */
  async function hears(host: Host, needed = true): Promise<readonly StatementAnswer[]> {
    const heard: StatementAnswer[] = [];
    const watch = createStatementWatch({
      identity: { name: host.name, tls: host.tls, caCertificates: [site.certificatePem] },
      statement: () => held.statement,
      needed: () => needed,
      epoch: () => 1,
      take: answer => heard.push(answer),
      clock: systemClock,
    });
    await watch.askAll();
    watch.stop();
    return heard;
  }

  let promoted: Host;
  let old: Host;

  beforeEach(async () => {
    const siteId = randomUUID();
    site = await createSiteCa(siteId, Date.now());
    [promoted, old] = [await makeHost('b'), await makeHost('a')];
    [asked, last] = [[], { version: { epoch: 1, generation: 50 }, commitId: 'the-last-one' }];
    const { keyPem: key, certificatePem: cert } = promoted.tls;
    https = createHttpApp({ tls: { key, cert, ca: [site.certificatePem] }, log: pino({ level: 'silent' }) });
    const lastCommitOf = async (epoch: number) => {
      asked.push(epoch);
      return last;
    };
    const line = async () => LINE;
    https.app.register(statementRoute({ statement: () => held, record: { lastCommitOf, line }, clock: systemClock }));
    await https.listen('127.0.0.1', 0);
    const servers = [entry('b', 'primary', promoted.key), entry('a', 'secondary', old.key)];
    const statement = { siteId, epoch: 2, version: 51, caPins: [keyHashOf(site.key)], directorySuffixes: [], servers };
    held = { statement, signed: signStatement(statement, site.key) };
  });
  afterEach(async () => {
    https.app.server.closeAllConnections();
    await https.app.close();
  });

  it('says who is the Primary now, and where the epoch of who asks ended', async () => {
    assert.deepEqual(await hears(old), [
      { statement: held.signed, restsOn: { epoch: 1, generation: 50, commitId: 'the-last-one' }, line: LINE },
    ]);
    assert.deepEqual(asked, [1]);
  });

  it('comes without that while the database cannot be asked', async () => {
    last = undefined;
    assert.deepEqual(await hears(old), [{ statement: held.signed, restsOn: null }]);
  });

  it('is told to servers of the site alone', async () => {
    const stranger = await makeHost('c');
    assert.deepEqual(await hears(stranger), []);
    assert.deepEqual(asked, []);
  });

  it('is not asked for without need', async () => {
    assert.deepEqual(await hears(old, false), []);
  });

  it('leaves no timer behind', () => {
    const clock = manualClock();
    const watch = createStatementWatch({
      identity: { name: old.name, tls: old.tls, caCertificates: [site.certificatePem] },
      statement: () => held.statement,
      needed: () => false,
      epoch: () => 1,
      take: () => {},
      clock,
    });
    watch.start();
    assert.equal(clock.waiting(), 1);
    watch.stop();
    assert.equal(clock.waiting(), 0);
  });
});
