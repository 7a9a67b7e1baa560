import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createSiteCa, openCertificateAuthority } from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { newDataKey } from './data-key.ts';
import { IdentityDamaged, loadIdentityFiles, loadOrCreateServerKeys, saveSiteKeys, toPem } from './identity-files.ts';

const clock = { nowMs: () => Date.now(), monotonicMs: () => 0, after: () => () => {} };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-identity-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function makeIdentity() {
  const keys = loadOrCreateServerKeys(folder);
  const site = await createSiteCa('site', Date.now());
  const ca = openCertificateAuthority(toPem(site.key), site.certificatePem, clock);
  const { pem } = await ca.issueServer(await createCsr(keys.tls), 'primary', ['https://localhost:1']);
  const dataKey = newDataKey();
  saveSiteKeys(folder, {
    certificatePem: pem,
    caCertificates: [site.certificatePem],
    dataKey,
    caKeyPem: toPem(site.key),
  });
  return { keys, dataKey, caPem: site.certificatePem };
}

describe('the identity on disk', () => {
  it('is read back as it was written', async () => {
    const { keys, dataKey, caPem } = await makeIdentity();
    const loaded = loadIdentityFiles(folder);
    assert.ok(loaded.keys.tls.equals(keys.tls));
    assert.ok(loaded.keys.session.equals(keys.session));
    assert.ok(loaded.keys.wrapping.equals(keys.wrapping));
    assert.deepEqual(loaded.site.dataKey, dataKey);
    assert.deepEqual(loaded.site.caCertificates, [caPem]);
  });

  it('can be read by this Unix user alone', async () => {
    await makeIdentity();
    assert.equal(statSync(join(folder, 'identity')).mode & 0o777, 0o700);
    for (const file of readdirSync(join(folder, 'identity'))) {
      assert.equal(statSync(join(folder, 'identity', file)).mode & 0o777, 0o600, file);
    }
  });

  it('keeps the keys that a cut-off join began with', () => {
    const first = loadOrCreateServerKeys(folder);
    assert.ok(loadOrCreateServerKeys(folder).tls.equals(first.tls));
  });

  it('says which file is damaged, and what to do', async () => {
    await makeIdentity();
    for (const file of ['tls.key', 'data.key', 'tls.crt']) {
      writeFileSync(join(folder, 'identity', file), 'garbage');
      assert.throws(
        () => loadIdentityFiles(folder),
        error => error instanceof IdentityDamaged && error.message.includes(file),
      );
      rmSync(join(folder, 'identity'), { recursive: true });
      await makeIdentity();
    }
  });
});
