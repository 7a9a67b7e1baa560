import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { SESSION_LIFETIME_MS, type SiteStatement, type StatementServer } from '@thinman/protocol';
import { CompactSign } from 'jose';
import type { Clock } from '../ports.ts';
import { rawPublicKey } from './raw-keys.ts';
import { createSessionTokens, SESSION_TOKEN_TYPE } from './session-tokens.ts';

const siteId = randomUUID();
const hash = 'A'.repeat(43);
const keys = {
  primary: generateKeyPairSync('ed25519').privateKey,
  secondary: generateKeyPairSync('ed25519').privateKey,
};

let nowMs = Date.UTC(2026, 10, 22);
const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => 0, after: () => () => {} };

const server = (name: string, key: KeyObject): StatementServer => ({
  name,
  url: `https://${name}.example.org`,
  role: name === 'primary' ? 'primary' : 'secondary',
  keyHash: hash,
  sessionKey: rawPublicKey(key),
  wrappingKey: hash,
});
const statement: SiteStatement = {
  siteId,
  epoch: 1,
  version: 1,
  servers: [server('primary', keys.primary), server('secondary', keys.secondary)],
  caPins: [hash],
  directorySuffixes: [],
};
const claims = {
  loginId: randomUUID(),
  userId: randomUUID(),
  user: 'alice',
  deviceKeyHash: hash,
  credentialVersion: 3,
  startedAt: nowMs - 1,
};
const tokensOf = (name: 'primary' | 'secondary', site = siteId) => createSessionTokens(site, name, keys[name], clock);

describe('session tokens', () => {
  it('hold on every server of the statement, for 15 minutes', async () => {
    const { token, expiresAt } = await tokensOf('primary').issue(claims);
    assert.equal(expiresAt, nowMs + SESSION_LIFETIME_MS);
    assert.deepEqual(await tokensOf('secondary').verify(token, statement), { ...claims, expiresAt });
  });

  it('end by time, except for logging out', async t => {
    const { token } = await tokensOf('primary').issue(claims);
    const issuedAtMs = nowMs;
    t.after(() => {
      nowMs = issuedAtMs;
    });
    nowMs += SESSION_LIFETIME_MS + 60_000;
    assert.equal(await tokensOf('primary').verify(token, statement), undefined);
    assert.equal((await tokensOf('primary').verify(token, statement, true))?.loginId, claims.loginId);
  });

  it('are refused when another site issued them', async () => {
    const { token } = await tokensOf('primary', randomUUID()).issue(claims);
    assert.equal(await tokensOf('primary').verify(token, statement), undefined);
  });

  it('are refused when the server that they name is not the one that signed, or has left the statement', async () => {
    const { token } = await createSessionTokens(siteId, 'primary', keys.secondary, clock).issue(claims);
    assert.equal(await tokensOf('primary').verify(token, statement), undefined);
    const { token: removed } = await tokensOf('secondary').issue(claims);
    const without = { ...statement, servers: statement.servers.slice(0, 1) };
    assert.equal(await tokensOf('primary').verify(removed, without), undefined);
  });

  it('are refused when a character was changed', async () => {
    const { token } = await tokensOf('primary').issue(claims);
    const [header, payload, signature] = token.split('.');
    const raised = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()), user: 'bob' }),
    ).toString('base64url');
    for (const forged of [
      `${header}.${raised}.${signature}`,
      `${header}.${payload}.`,
      '',
      'a.b.c',
      'x'.repeat(10_000),
    ]) {
      assert.equal(await tokensOf('primary').verify(forged, statement), undefined);
    }
  });

  it('are refused under any other algorithm: none, and HMAC keyed with the public key', async () => {
    const { token } = await tokensOf('primary').issue(claims);
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url');
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: SESSION_TOKEN_TYPE, kid: 'primary' })).toString(
      'base64url',
    );
    assert.equal(await tokensOf('primary').verify(`${none}.${payload.toString('base64url')}.`, statement), undefined);
    for (const secret of [
      Buffer.from(rawPublicKey(keys.primary), 'base64url'),
      createPublicKey(keys.primary).export({ type: 'spki', format: 'der' }),
    ]) {
      const confused = await new CompactSign(payload)
        .setProtectedHeader({ alg: 'HS256', typ: SESSION_TOKEN_TYPE, kid: 'primary' })
        .sign(secret);
      assert.equal(await tokensOf('primary').verify(confused, statement), undefined);
    }
  });

  it('are refused when our key signed something that is no session', async () => {
    const { token } = await tokensOf('primary').issue(claims);
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url');
    const otherType = await new CompactSign(payload)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: 'primary' })
      .sign(keys.primary);
    const otherContent = await new CompactSign(Buffer.from('{}'))
      .setProtectedHeader({ alg: 'EdDSA', typ: SESSION_TOKEN_TYPE, kid: 'primary' })
      .sign(keys.primary);
    assert.equal(await tokensOf('primary').verify(otherType, statement), undefined);
    assert.equal(await tokensOf('primary').verify(otherContent, statement), undefined);
  });
});
