import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import type { SignedStatement, SiteStatement } from '@thinman/protocol';
import type { Clock, ServerIdentity, SiteRow } from '../ports.ts';
import { bridgeCa, createSiteCa, openCertificateAuthority, type SiteCa } from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { newDataKey } from './data-key.ts';
import { holdDataKey } from './data-key-holder.ts';
import { followCas } from './follow-cas.ts';
import { toPem } from './identity-files.ts';
import { keyHashOf } from './key-hash.ts';
import { createOwnIdentity, type OwnIdentity } from './own-identity.ts';
import { pinOf } from './pins.ts';
import { signStatement } from './statement.ts';
import { createStatementHolder, type StatementHolder } from './statement-holder.ts';

const siteId = '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59';
const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => 0, after: () => () => {} };

let before: SiteCa;
let next: SiteCa;
let key: KeyObject;
let own: OwnIdentity;
let statements: StatementHolder;
let changes: number;
let written: { certificates: string[]; cas: string[][] };
let diskIsFull: boolean;

const certify = async ({ key: caKey, certificatePem }: SiteCa) => {
  const authority = openCertificateAuthority(toPem(caKey), certificatePem, clock);
  return (await authority.issueServer(await createCsr(key), 'primary', ['https://127.0.0.1'])).pem;
};
const statementOf = (version: number, caPins: readonly string[]): SiteStatement => ({
  ...{ siteId, epoch: 1, version, caPins: [...caPins], directorySuffixes: [] },
  servers: [
    {
      ...{ name: 'primary', url: 'https://127.0.0.1:1', role: 'primary', keyHash: keyHashOf(key) },
      ...{ sessionKey: 'AA', wrappingKey: 'AA' },
    },
  ],
});

beforeEach(async () => {
  [before, next] = [await createSiteCa(siteId, clock.nowMs()), await createSiteCa(siteId, clock.nowMs())];
  key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  [changes, written, diskIsFull] = [0, { certificates: [], cas: [] }, false];
  const identity: ServerIdentity = {
    ...{ siteId, instance: siteId, name: 'primary', keyHash: keyHashOf(key), wrappingKey: '' },
    tls: { keyPem: toPem(key), certificatePem: await certify(before) },
    caCertificates: [before.certificatePem],
  };
  own = createOwnIdentity(identity, {
    certificate(pem) {
      if (diskIsFull) throw new Error('ENOSPC');
      written.certificates.push(pem);
    },
    caCertificates(pems) {
      if (!diskIsFull) written.cas.push([...pems]);
      return !diskIsFull;
    },
  });
  own.onChange(() => changes++);
  const statement = statementOf(1, [pinOf(before.certificatePem)]);
  const held = { signed: signStatement(statement, before.key), statement };
  statements = createStatementHolder({ held }, () => own.identity.caCertificates, { save() {}, saveRival() {} });
});

const pins = () => own.identity.caCertificates.map(pinOf);
const both = () => [pinOf(next.certificatePem), pinOf(before.certificatePem)];
const rowOf = (statement: SignedStatement, caCertificates: readonly string[]) => {
  const site = { statement, caCertificates } as unknown as SiteRow;
  return { site: () => site };
};
const noDataKeys = holdDataKey(newDataKey(), {
  siteId,
  wrappingKey: generateKeyPairSync('x25519').privateKey,
  save: () => {},
});
const follow = (statement: SignedStatement, caCertificates: readonly string[]) =>
  followCas(
    { own, statements, ca: { held: () => undefined, place: () => () => {} }, dataKeys: noDataKeys },
    { ...rowOf(statement, caCertificates), get: () => undefined },
  );

describe('the certificate of a server', () => {
  it('is on disk before it is shown, and whoever shows it hears of it', async () => {
    const pem = await certify(before);
    own.takeCertificate(pem);
    assert.deepEqual([written.certificates, own.identity.tls.certificatePem, changes], [[pem], pem, 1]);
    own.takeCertificate(pem);
    assert.equal(changes, 1);
  });

  it('stays the old one when the new one cannot be written down', async () => {
    const { certificatePem } = own.identity.tls;
    diskIsFull = true;
    const pem = await certify(before);
    assert.throws(() => own.takeCertificate(pem));
    assert.deepEqual([own.identity.tls.certificatePem, changes], [certificatePem, 0]);
  });

  it('is shown with what ties its CA to the old one, until the old one counts no more', async () => {
    own.trust(both(), [next.certificatePem]);
    const leaf = await certify(next);
    own.takeCertificate(leaf + (await bridgeCa(before, next.certificatePem)));
    assert.notEqual(own.identity.tls.certificatePem, leaf);
    own.trust(both().slice(0, 1), []);
    assert.equal(own.identity.tls.certificatePem, leaf);
  });
});

describe('the CAs that a server trusts', () => {
  it('are those of a statement that a trusted CA has signed, the issuing one first', () => {
    const signed = signStatement(statementOf(2, both()), next.key, [before.key]);
    follow(signed, [next.certificatePem, before.certificatePem]);
    assert.deepEqual([pins(), changes], [both(), 1]);
    follow(signStatement(statementOf(3, both().slice(0, 1)), next.key), [next.certificatePem]);
    assert.deepEqual(pins(), both().slice(0, 1));
  });

  it('are not those of whoever can write into the database', () => {
    follow(signStatement(statementOf(2, both()), next.key), [next.certificatePem, before.certificatePem]);
    follow(statements.current().signed, [next.certificatePem, before.certificatePem]);
    assert.deepEqual([pins(), changes], [[pinOf(before.certificatePem)], 0]);
  });

  it('count in this process when they cannot be written down, and are written as soon as they can', () => {
    const signed = signStatement(statementOf(2, both()), before.key);
    diskIsFull = true;
    follow(signed, [next.certificatePem]);
    assert.deepEqual([pins(), written.cas], [both(), []]);
    diskIsFull = false;
    follow(signed, [next.certificatePem]);
    assert.deepEqual([written.cas.length, changes], [1, 1]);
  });

  it('are never none', () => {
    own.trust([pinOf(next.certificatePem)], []);
    assert.deepEqual(pins(), [pinOf(before.certificatePem)]);
  });
});
