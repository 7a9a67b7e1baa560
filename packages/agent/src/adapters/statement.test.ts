import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { SITE_ID } from '../../../../test/support/ids.ts';
import { createTrust, statementOf, statementServer, type Trust } from '../../../../test/support/trust.ts';
import { verifyStatement } from './statement.ts';

let trust: Trust;
let stranger: Trust;
before(async () => {
  [trust, stranger] = await Promise.all([createTrust(), createTrust()]);
});

const one = (by: Trust) => statementOf(by, [statementServer('https://127.0.0.1:1', by.pin)]);

test('a statement that the site signed is read as it was written', () => {
  const statement = one(trust);
  assert.deepEqual(
    verifyStatement(trust.sign(statement), [stranger.caCertificate, trust.caCertificate], SITE_ID),
    statement,
  );
});

test('a statement of another CA is refused, also when it claims to be signed by ours', () => {
  const signed = stranger.sign(one(trust));
  assert.equal(verifyStatement(signed, [trust.caCertificate]), undefined);
  assert.equal(verifyStatement({ ...signed, signedBy: trust.pin }, [trust.caCertificate]), undefined);
});

test('a changed statement, a changed signature and a damaged CA list are refused', () => {
  const signed = trust.sign(one(trust));
  const changed = { ...signed, statement: signed.statement.replace('"epoch":1', '"epoch":9') };
  assert.notEqual(changed.statement, signed.statement);
  assert.equal(verifyStatement(changed, [trust.caCertificate]), undefined);
  assert.equal(verifyStatement({ ...signed, signature: 'AAAA' }, [trust.caCertificate]), undefined);
  assert.equal(verifyStatement(signed, ['not a certificate']), undefined);
  assert.equal(verifyStatement(signed, []), undefined);
});

test("a rightly signed statement of another site's id is refused", () => {
  const other = '11111111-2222-4333-8444-555555555555';
  assert.equal(verifyStatement(trust.sign(one(trust)), [trust.caCertificate], other), undefined);
});

test('a rightly signed text that is no statement is refused', () => {
  const { servers: _servers, ...rest } = one(trust);
  const signed = trust.sign(rest as never);
  assert.equal(verifyStatement(signed, [trust.caCertificate]), undefined);
});

test('while the CA is changed, a statement is read by whoever holds one of the two', () => {
  const statement = one(trust);
  const signed = stranger.sign(statement, trust);
  assert.deepEqual(verifyStatement(signed, [trust.caCertificate]), statement);
  assert.deepEqual(verifyStatement(signed, [stranger.caCertificate]), statement);
  const { cosignatures, ...alone } = signed;
  assert.equal(verifyStatement(alone, [trust.caCertificate]), undefined);
  const forged = { ...alone, cosignatures: [{ signature: alone.signature, signedBy: trust.pin }] };
  assert.equal(verifyStatement(forged, [trust.caCertificate]), undefined);
  assert.equal(cosignatures?.length, 1);
});
