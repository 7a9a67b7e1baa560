import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { CertificateAuthority, Clock } from '../ports.ts';
import { type CaKeys, openCaKeys } from './ca-keys.ts';
import { caPhase } from './ca-phase.ts';
import { createSiteCa, type SiteCa } from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { IdentityDamaged, splitPem, toPem } from './identity-files.ts';
import { keyHashOf } from './key-hash.ts';
import { pinOf } from './pins.ts';
import { createSiteAuthority } from './site-authority.ts';

const SITE_ID = '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59';
const DEVICE_ID = '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11';
const clock: Clock = { nowMs: () => Date.UTC(2026, 10, 22), monotonicMs: () => 0, after: () => () => {} };
const server = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

let folder: string;
let before: SiteCa;
let next: SiteCa;
let keys: CaKeys;
let cas: readonly string[];
let authority: CertificateAuthority;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-ca-'));
  before = await createSiteCa(SITE_ID, clock.nowMs());
  writeFileSync(join(folder, 'ca.key'), toPem(before.key), { mode: 0o600 });
  keys = open();
  next = await createSiteCa(SITE_ID, clock.nowMs(), keys.prepareNext());
  cas = [before.certificatePem, next.certificatePem];
  authority = createSiteAuthority(keys, () => cas, clock);
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(): CaKeys {
  const opened = openCaKeys(folder);
  assert.ok(opened);
  return opened;
}

const chain = async () => {
  const { pem } = await authority.issueServer(await createCsr(server), 'primary', ['https://127.0.0.1']);
  return splitPem(pem).map(one => new X509Certificate(one));
};

describe('the keys of CAs', () => {
  it('are of nobody but this Unix user, and the next one is on disk before it is used', () => {
    assert.deepEqual(readdirSync(folder).toSorted(), ['ca-next.key', 'ca.key']);
    assert.equal(statSync(join(folder, 'ca-next.key')).mode & 0o777, 0o600);
    assert.ok(open().find(keyHashOf(next.key))?.equals(next.key));
  });

  it('an attempt to begin that is repeated makes no other CA', () => {
    assert.ok(open().prepareNext().equals(next.key));
  });

  it('the next one takes the place of the old one when the site has no other CA, and not before', () => {
    keys.settle(keyHashOf(before.key));
    assert.ok(keys.isNext(keyHashOf(next.key)));
    keys.settle(keyHashOf(next.key));
    for (const each of [keys, open()]) {
      assert.equal(each.find(keyHashOf(before.key)), undefined);
      assert.ok(each.find(keyHashOf(next.key))?.equals(next.key));
      assert.equal(each.isNext(keyHashOf(next.key)), false);
    }
    assert.equal(readFileSync(join(folder, 'ca.key'), 'utf8'), toPem(next.key));
    assert.deepEqual(readdirSync(folder), ['ca.key']);
  });

  it('a damaged one is told by its name', () => {
    writeFileSync(join(folder, 'ca-next.key'), 'garbage');
    assert.throws(
      () => openCaKeys(folder),
      error => error instanceof IdentityDamaged && error.message.includes('ca-next.key'),
    );
  });
});

describe('the authority of a site', () => {
  it('issues by the first CA of the list', async () => {
    for (const issuing of [before, next]) {
      cas = [issuing.certificatePem, ...cas.filter(pem => pem !== issuing.certificatePem)];
      const { pem } = await authority.issueDevice(await createCsr(server), DEVICE_ID);
      assert.ok(new X509Certificate(pem).verify(new X509Certificate(issuing.certificatePem).publicKey));
      assert.equal(caPhase(cas, keys), issuing === next ? 'switched' : 'begun');
    }
  });

  it('ties the new CA to the old one for servers, as long as both count; never the old one to the new one', async () => {
    assert.equal((await chain()).length, 1);
    cas = [next.certificatePem, before.certificatePem];
    const [leaf, bridge, ...rest] = await chain();
    assert.ok(leaf && bridge);
    assert.deepEqual(rest, []);
    assert.ok(leaf.verify(bridge.publicKey) && leaf.checkIssued(bridge));
    assert.ok(bridge.ca && bridge.checkIssued(new X509Certificate(before.certificatePem)));
    assert.ok(bridge.verify(new X509Certificate(before.certificatePem).publicKey));
    assert.equal(keyHashOf(bridge.publicKey), pinOf(next.certificatePem));
    cas = [next.certificatePem];
    assert.equal((await chain()).length, 1);
  });

  it('does not issue by a key that is not here', async () => {
    const foreign = await createSiteCa(SITE_ID, clock.nowMs());
    cas = [foreign.certificatePem];
    await assert.rejects(async () => authority.issueDevice(await createCsr(server), DEVICE_ID), /not on this server/);
  });
});
