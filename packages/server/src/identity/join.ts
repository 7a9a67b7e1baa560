import type {
  EnrollmentTokenBody,
  EnrollmentTokenSystem,
  JoinAnswer,
  JoinRequest,
  ServerBody,
  ServerSystem,
  SignedStatement,
} from '@thinman/protocol';
import type { WriteDeps } from '../admin-plane/admin-deps.ts';
import { commit, refusalUnlessPrimary, type Work } from '../admin-plane/commit.ts';
import { dataKeyIn } from '../admin-plane/data-key-in.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CertificateAuthority, CommitTransaction, ServerIdentity, StoredObject } from '../ports.ts';
import { publicKeyOfCsr } from './csr.ts';
import { CsrRefused } from './errors.ts';
import { keyHashOf } from './key-hash.ts';
import { publicKeyFromRaw } from './raw-keys.ts';
import type { Restate } from './restate.ts';
import { tokenSecretFits } from './token-secret.ts';

export type JoinDeps = {
  readonly identity: Pick<ServerIdentity, 'siteId' | 'caCertificates'>;
  /** The administrative write; refuses by itself where this server is not the Primary. */
  readonly write: WriteDeps;
  /** The site CA and what it signs, where its key lies. */
  authority(): { readonly issue: CertificateAuthority['issueServer']; readonly restate: Restate } | undefined;
};

type Refusal = { readonly code: 'token_invalid' | 'name_taken' | 'bad_request'; readonly detail: string };
type Joined = { readonly certificate: string; readonly statement: SignedStatement; readonly wrappedDataKey: string };

/**
 * `POST /v1/join`: a server token makes its bearer a server of the site, in one commit: Server object, use of the token,
 * new statement. The same joiner (instance and keys) may ask again with the same token, if an answer was lost.
 */
export async function join(deps: JoinDeps, request: JoinRequest): Promise<Outcome<JoinAnswer>> {
  const { identity, write } = deps;
  const authority = deps.authority();
  if (authority === undefined) {
    return refusalUnlessPrimary(write) ?? refused('not_primary', { detail: 'The site CA is not here.' });
  }
  if (!kindsFit(write.record.kind, request.databaseKind)) {
    return refused('bad_request', {
      detail: DATABASES_DIFFER[write.record.kind === 'sqlite' ? 'embedded' : 'external'],
    });
  }
  const keyHash = await keyOf(request);
  if (keyHash === undefined) return refused('bad_request', { detail: 'a key of the request is of the wrong kind' });

  const actor = { name: `server:${request.name}`, role: 'owner' } as const;
  const outcome = await commit(write, actor, async (transaction): Promise<Work<Refusal | Joined>> => {
    const token = (await transaction.list('EnrollmentToken')).find(isTokenOf(request.secret));
    const servers = (await transaction.list('Server')).filter(({ deleted }) => !deleted);
    const refusal = refusalOf(request, keyHash, token, servers, write.clock.nowMs());
    if (refusal !== undefined || token === undefined) return { result: refusal ?? UNKNOWN_TOKEN, touched: [] };
    const joined = await admit({ write, authority }, request, keyHash, token, transaction);
    return {
      result: joined,
      touched: [
        { kind: 'Server', name: request.name, change: 'created' },
        { kind: 'EnrollmentToken', name: token.name, change: 'updated' },
      ],
    };
  });

  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  if ('code' in result) return refused(result.code, { detail: result.detail });
  await write.events.write('server.joined', { server: request.name, url: request.url, ...version });
  const { siteId, caCertificates } = identity;
  return done({ siteId, ...result, caCertificates: [...caCertificates], version, databaseKind: write.record.kind });
}

/** Replication and shared databases are between databases of one kind of SQL server: an SQLite file has neither. */
function kindsFit(mine: JoinAnswer['databaseKind'], theirs: JoinRequest['databaseKind']): boolean {
  return theirs === undefined || (mine === 'sqlite') === (theirs === 'sqlite');
}

const DATABASES_DIFFER = {
  embedded:
    'the Primary is on an embedded database, whose data can reach no other one: --database must be its file, with --single-host, for a trial on its own machine',
  external:
    'the Primary is on an external database: --database must be the same one, or a Slave of it, not an SQLite file',
} as const;

/** Hash of the TLS key, once all three keys are what they should be. */
async function keyOf({ csr, sessionKey, wrappingKey }: JoinRequest): Promise<string | undefined> {
  if (publicKeyFromRaw('Ed25519', sessionKey) === undefined) return undefined;
  if (publicKeyFromRaw('X25519', wrappingKey) === undefined) return undefined;
  try {
    return keyHashOf(await publicKeyOfCsr(csr));
  } catch (error) {
    if (error instanceof CsrRefused) return undefined;
    throw error;
  }
}

const isTokenOf = (secret: string) => (token: StoredObject) =>
  !token.deleted && tokenSecretFits(secret, (token.system as EnrollmentTokenSystem).secretHash);

const UNKNOWN_TOKEN: Refusal = { code: 'token_invalid', detail: 'no token of this site has this secret' };

function refusalOf(
  request: JoinRequest,
  keyHash: string,
  token: StoredObject | undefined,
  servers: readonly StoredObject[],
  nowMs: number,
): Refusal | undefined {
  if (token === undefined) return UNKNOWN_TOKEN;
  const { purpose, expiresAt, uses, serverName, serverUrl } = token.body as EnrollmentTokenBody;
  const invalid = (detail: string): Refusal => ({ code: 'token_invalid', detail });
  if (purpose !== 'server') return invalid('this token is for devices');
  if (serverName !== request.name || !sameUrl(serverUrl, request.url)) {
    return invalid(`this token is bound to the name ${serverName} and the URL ${serverUrl}`);
  }
  if (nowMs >= Date.parse(expiresAt)) return invalid('the token has expired');
  const used = (token.system as EnrollmentTokenSystem).used;
  const systemOf = (server: StoredObject) => server.system as ServerSystem;
  const named = servers.find(({ name }) => name === request.name);
  if (named !== undefined) {
    const isRepeat = systemOf(named).instance === request.instance && systemOf(named).keyHash === keyHash && used > 0;
    return isRepeat ? undefined : { code: 'name_taken', detail: `there is a server ${request.name} already` };
  }
  if (used >= uses) return invalid('the token has been used');
  if (servers.some(server => systemOf(server).instance === request.instance || systemOf(server).keyHash === keyHash)) {
    return { code: 'bad_request', detail: 'a server with this identity is in the site under another name' };
  }
  if (servers.some(({ body }) => sameUrl((body as ServerBody).url, request.url))) {
    return { code: 'name_taken', detail: `there is a server with the URL ${request.url} already` };
  }
  return undefined;
}

const sameUrl = (a: string | undefined, b: string) => a !== undefined && new URL(a).origin === new URL(b).origin;

async function admit(
  deps: { readonly write: WriteDeps; readonly authority: NonNullable<ReturnType<JoinDeps['authority']>> },
  request: JoinRequest,
  keyHash: string,
  token: StoredObject,
  transaction: CommitTransaction,
): Promise<Joined> {
  const { name, instance, sessionKey, wrappingKey } = request;
  const { serverUrl = request.url } = token.body as EnrollmentTokenBody;
  // The name and the URL are the token's, never the joiner's.
  const issued = await deps.authority.issue(request.csr, name, [serverUrl]);
  const wrappedDataKey = (await dataKeyIn(deps.write, transaction)).wrapFor(wrappingKey);
  const system: ServerSystem = { instance, keyHash, sessionKey, wrappingKey, wrappedDataKey };
  const body: ServerBody = { url: serverUrl };
  await transaction.put('Server', name, body, system);
  const { used, ...rest } = token.system as EnrollmentTokenSystem;
  await transaction.put('EnrollmentToken', token.name, { ...token.body }, { ...rest, used: used + 1 });
  return { certificate: issued.pem, statement: await deps.authority.restate(transaction), wrappedDataKey };
}
