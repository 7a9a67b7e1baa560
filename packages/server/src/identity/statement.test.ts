import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { encodeStatement, isNewerStatement, type SiteStatement } from '@thinman/protocol';
import { createSiteCa, type SiteCa } from './certificate-authority.ts';
import { keyHashOf } from './key-hash.ts';
import { signStatement, verifyStatement } from './statement.ts';

const siteId = '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59';
const hash = 'A'.repeat(43);

describe('the site statement', () => {
  let ca: SiteCa;
  let other: SiteCa;
  let statement: SiteStatement;

  before(async () => {
    [ca, other] = await Promise.all([createSiteCa(siteId, 0), createSiteCa(siteId, 0)]);
    const server = {
      name: 'primary',
      url: 'https://localhost:1',
      role: 'primary',
      keyHash: hash,
      sessionKey: 'A',
      wrappingKey: 'B',
    };
    statement = {
      siteId,
      epoch: 1,
      version: 3,
      servers: [{ ...server, role: 'primary' }],
      caPins: [keyHashOf(ca.key)],
      directorySuffixes: [],
    };
  });

  it('is read back as it was signed', () => {
    assert.deepEqual(verifyStatement(signStatement(statement, ca.key), [ca.certificatePem]), statement);
  });

  it('is believed from either CA while the CA is changed', () => {
    const both = [ca.certificatePem, other.certificatePem];
    assert.notEqual(verifyStatement(signStatement(statement, ca.key), both), undefined);
    assert.notEqual(verifyStatement(signStatement(statement, other.key), both), undefined);
  });

  it('is believed by whoever holds one of the two CAs that signed it', () => {
    const signed = signStatement(statement, ca.key, [other.key]);
    assert.deepEqual(verifyStatement(signed, [ca.certificatePem]), statement);
    assert.deepEqual(verifyStatement(signed, [other.certificatePem]), statement);
    const { cosignatures, ...alone } = signed;
    assert.equal(verifyStatement(alone, [other.certificatePem]), undefined);
    assert.equal(
      verifyStatement({ ...alone, cosignatures: [{ ...alone, signedBy: keyHashOf(other.key) }] }, [
        other.certificatePem,
      ]),
      undefined,
    );
    assert.equal(cosignatures?.length, 1);
  });

  it('is not believed when another CA signed it, also if it claims ours', () => {
    const forged = signStatement({ ...statement, epoch: 99 }, other.key);
    assert.equal(verifyStatement(forged, [ca.certificatePem]), undefined);
    assert.equal(verifyStatement({ ...forged, signedBy: keyHashOf(ca.key) }, [ca.certificatePem]), undefined);
  });

  it('is not believed when a word of it was changed', () => {
    const signed = signStatement(statement, ca.key);
    const raised = encodeStatement({ ...statement, epoch: 2 });
    assert.equal(verifyStatement({ ...signed, statement: raised }, [ca.certificatePem]), undefined);
    assert.equal(verifyStatement({ ...signed, signature: '' }, [ca.certificatePem]), undefined);
  });

  it('is not believed when it is signed but not in the right form', () => {
    const signed = signStatement({ ...statement, servers: [] }, ca.key);
    assert.equal(verifyStatement(signed, [ca.certificatePem]), undefined);
  });

  it('gives way to a newer one only, and only of the same site', () => {
    assert.equal(isNewerStatement({ ...statement, version: 2 }, statement), false);
    assert.equal(isNewerStatement(statement, statement), false);
    assert.equal(isNewerStatement({ ...statement, epoch: 2, version: 1 }, statement), true);
    assert.equal(isNewerStatement({ ...statement, epoch: 9, siteId: hash }, statement), false);
  });
});
