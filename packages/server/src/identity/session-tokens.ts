import { type KeyObject, sign } from 'node:crypto';
import {
  ObjectName,
  parseJson,
  SESSION_LIFETIME_MS,
  Sha256,
  type SiteStatement,
  Uuid,
  WeekHours,
} from '@thinman/protocol';
import { type CompactVerifyResult, compactVerify } from 'jose';
import Type, { type Static } from 'typebox';
import type { Clock, SessionTokens } from '../ports.ts';
import { publicKeyFromRaw } from './raw-keys.ts';

/** The one algorithm; whatever a token's header asks for. */
const ALGORITHM = 'EdDSA';
export const SESSION_TOKEN_TYPE = 'thinman-session+jwt';
const MAX_TOKEN_CHARS = 4096;
/** Servers check each other's tokens by their own clocks; NTP keeps hosts far closer than this. */
const CLOCK_SKEW_MS = 60_000;

/** The token's payload. `iat` and `exp` are seconds (RFC 7519), `startedAt` milliseconds. */
const Payload = Type.Object({
  iss: Uuid,
  sub: Uuid,
  jti: Uuid,
  iat: Type.Integer(),
  exp: Type.Integer(),
  cnf: Type.Object({ 'spki#S256': Sha256 }),
  user: ObjectName,
  credentialVersion: Type.Integer({ minimum: 0 }),
  startedAt: Type.Integer(),
  directory: Type.Optional(
    Type.Object({
      groups: Type.Array(Type.String()),
      displayName: Type.Optional(Type.String()),
      hours: Type.Optional(WeekHours),
      saidAt: Type.Optional(Type.Integer()),
      isCut: Type.Optional(Type.Literal(true)),
    }),
  ),
});
type Payload = Static<typeof Payload>;

/** Tokens that `serverName` issues with its Ed25519 key, and those of every server in the statement that it believes. */
export function createSessionTokens(
  siteId: string,
  serverName: string,
  sessionKey: KeyObject,
  clock: Clock,
): SessionTokens {
  const header = encoded({ alg: ALGORITHM, typ: SESSION_TOKEN_TYPE, kid: serverName });
  return {
    async issue(claims) {
      const nowS = Math.floor(clock.nowMs() / 1000);
      const exp = nowS + SESSION_LIFETIME_MS / 1000;
      const payload: Payload = {
        iss: siteId,
        sub: claims.userId,
        jti: claims.loginId,
        iat: nowS,
        exp,
        cnf: { 'spki#S256': claims.deviceKeyHash },
        user: claims.user,
        credentialVersion: claims.credentialVersion,
        startedAt: claims.startedAt,
        ...(claims.directory !== undefined && {
          directory: { ...claims.directory, groups: [...claims.directory.groups] },
        }),
      };
      // RFC 7515, 7.1. Here and not by jose: Web Crypto's way to a thread and back costs more than the signature.
      const signed = `${header}.${encoded(payload)}`;
      const token = `${signed}.${sign(null, Buffer.from(signed), sessionKey).toString('base64url')}`;
      return { token, expiresAt: exp * 1000 };
    },
    async verify(token, statement, allowExpired = false) {
      if (token.length > MAX_TOKEN_CHARS) return undefined;
      const payload = await verifiedPayload(token, statement);
      if (payload === undefined || payload.iss !== siteId) return undefined;
      if (!allowExpired && clock.nowMs() >= payload.exp * 1000 + CLOCK_SKEW_MS) return undefined;
      return {
        loginId: payload.jti,
        userId: payload.sub,
        user: payload.user,
        deviceKeyHash: payload.cnf['spki#S256'],
        credentialVersion: payload.credentialVersion,
        startedAt: payload.startedAt,
        expiresAt: payload.exp * 1000,
        ...(payload.directory !== undefined && { directory: payload.directory }),
      };
    },
  };
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** undefined: not signed by the server of the statement that its `kid` names, or not a session token. */
async function verifiedPayload(token: string, statement: SiteStatement): Promise<Payload | undefined> {
  let result: CompactVerifyResult;
  try {
    result = await compactVerify(
      token,
      header => {
        const server = statement.servers.find(({ name }) => name === header.kid);
        const key = server === undefined ? undefined : publicKeyFromRaw('Ed25519', server.sessionKey);
        if (key === undefined) throw new TypeError('no such server in the statement');
        return key;
      },
      { algorithms: [ALGORITHM] },
    );
  } catch {
    return undefined;
  }
  if (result.protectedHeader.typ !== SESSION_TOKEN_TYPE) return undefined;
  const parsed = parseJson(Payload, Buffer.from(result.payload).toString(), MAX_TOKEN_CHARS);
  return parsed.ok ? parsed.value : undefined;
}
