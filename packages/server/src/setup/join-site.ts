import { X509Certificate } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import {
  CaAnswer,
  compareVersions,
  decodeToken,
  ERRORS,
  JoinAnswer,
  type JoinRequest,
  type Problem,
  type TokenContent,
  type Version,
} from '@thinman/protocol';
import {
  ConfigError,
  type DataFolder,
  dataFolder,
  parseDatabaseUrl,
  parseListen,
  parseServerUrl,
  writeConfig,
} from '../config.ts';
import { createCsr } from '../identity/csr.ts';
import { unwrapDataKey } from '../identity/data-key.ts';
import {
  identityFolder,
  loadOrCreateServerKeys,
  type ServerKeys,
  saveSiteKeys,
  saveStatementFile,
} from '../identity/identity-files.ts';
import { keyHashOf, keyHashOfCertificate } from '../identity/key-hash.ts';
import { pinsOf } from '../identity/pins.ts';
import { rawPublicKey } from '../identity/raw-keys.ts';
import { verifyStatement } from '../identity/statement.ts';
import type { SourceOfRecord } from '../ports.ts';
import { DatabaseFileUnreadable, DatabaseUnavailable, describeFinding } from '../record/errors.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { systemClock } from '../runtime/clock.ts';
import { httpsJson } from '../runtime/https-json.ts';
import { JoinDenied, JoinFailed, PrimaryUnreachable } from './errors.ts';
import { joinInstance } from './join-instance.ts';
import { checkServerName, withNewFolder } from './new-folder.ts';

/** A question to the Primary: its own deadline towards its database is 10 s. */
const ASK_DEADLINE_MS = 15_000;
/** Replication that works is there within a second; a new Slave that still loads its dump says so by this. */
const DATABASE_DEADLINE_MS = 60_000;
const DATABASE_POLL_MS = 100;

/** What a Secondary is made from. */
export type JoinOptions = {
  readonly token: string;
  readonly dataDir: string;
  readonly name: string;
  readonly listen: string;
  readonly url: string;
  /** The Secondary's own source of record. */
  readonly database?: string;
  /** A trial: both servers on this machine, on the Primary's SQLite file. */
  readonly singleHost?: boolean;
  /** Told what an administrator should mend, one line each. */
  readonly warn?: (line: string) => void;
  /** How long to wait until the database has what the Primary committed, in milliseconds. */
  readonly databaseDeadlineMs?: number;
};

/** The site that was joined, and the version from which on the server is in it. */
export type JoinedSite = { readonly siteId: string; readonly version: Version };

/**
 * Makes this host a Secondary of the site that the token names. Throws ConfigError (refused input), PrimaryUnreachable,
 * JoinDenied (the Primary says no), JoinFailed (the database has not what it needs; the server is joined all the same).
 */
export async function joinSite(options: JoinOptions): Promise<JoinedSite> {
  const folder = dataFolder(options.dataDir);
  const name = checkServerName(options.name);
  const url = parseServerUrl(options.url);
  parseListen(options.listen);
  const token = readToken(options.token);
  const database = secondaryDatabase(options);

  const identity = identityFolder(folder.path);
  const hadIdentity = existsSync(identity);
  // The keys stay if the join is cut off: the same joiner may use its token again.
  return withNewFolder(folder, ['identity'], async () => {
    const record = openSourceOfRecord(database, {
      ...{ dataDir: folder.path, readOnly: true, clock: systemClock },
      onFinding: (where, finding) => options.warn?.(describeFinding(where, finding)),
    });
    try {
      await refuseForeignDatabase(record, token);
      const answer = await askToJoin(token, async () => {
        const keys = loadOrCreateServerKeys(folder.path);
        return {
          ...{ secret: token.secret, name, url, instance: joinInstance(folder.path), csr: await createCsr(keys.tls) },
          ...{ sessionKey: rawPublicKey(keys.session), wrappingKey: rawPublicKey(keys.wrapping) },
          databaseKind: record.kind,
        };
      });
      const instance = joinInstance(folder.path);
      saveJoined(folder, loadOrCreateServerKeys(folder.path), answer);
      writeConfig(folder, { name, listen: options.listen, url, database, instance, siteId: answer.siteId });
      await waitForDatabase(record, answer, options.databaseDeadlineMs ?? DATABASE_DEADLINE_MS);
      return { siteId: answer.siteId, version: answer.version };
    } catch (error) {
      if (!hadIdentity && error instanceof JoinDenied && error.isFinal) {
        rmSync(identity, { recursive: true, force: true });
      }
      throw error;
    } finally {
      await record.close();
    }
  });
}

function readToken(text: string): TokenContent {
  const decoded = decodeToken(text);
  if (!decoded.ok) throw new ConfigError(decoded.why);
  if (decoded.content.for !== 'server') {
    throw new ConfigError(
      'this token is for devices; make one for this server with "thinman token server" on the Primary',
    );
  }
  return decoded.content;
}

function secondaryDatabase({ database, singleHost = false }: JoinOptions): string {
  if (database === undefined) {
    throw new ConfigError(
      'a Secondary needs --database: its own MySQL or MariaDB, or for a trial on one machine sqlite:PRIMARY_DIR/site.db with --single-host',
    );
  }
  const { kind, url } = parseDatabaseUrl(database);
  if (kind === 'sqlite' && !singleHost) {
    throw new ConfigError(
      'a redundant pair needs an external database: an SQLite file is lost with its host; for a trial on one machine add --single-host',
    );
  }
  return url;
}

/** Before the token is used up: a database that cannot work, or that is another site's. */
async function refuseForeignDatabase(record: SourceOfRecord, token: TokenContent): Promise<void> {
  const site = await siteIn(record);
  if (site !== undefined && !pinsOf(site.caCertificates).some(pin => token.pins.includes(pin))) {
    throw new ConfigError(
      `--database holds another site (${site.siteId}) than the token; give the database of the token's site`,
    );
  }
}

/** undefined: it may still be on its way (replication). */
async function siteIn(record: SourceOfRecord) {
  try {
    return await record.site();
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable) || error instanceof DatabaseFileUnreadable) throw error;
    // A Slave that replicates from the very beginning gets the database itself from its Master.
    if (error.trouble === 'missing' && record.kind !== 'sqlite') return undefined;
    throw new JoinFailed(`the database cannot be used: ${error.message}`);
  }
}

/** Asks each server of the token: first for its CA, sending nothing; then, the pin being right, to join. */
async function askToJoin(token: TokenContent, makeRequest: () => Promise<JoinRequest>): Promise<JoinAnswer> {
  let refusal: Problem | undefined;
  let isFinal = true;
  const failures: string[] = [];
  for (const base of token.urls) {
    const origin = new URL(base).origin;
    const ca = await ask({ url: `${origin}/v1/ca`, schema: CaAnswer, trust: 'trust-nobody' });
    if (ca.kind !== 'ok') {
      failures.push(`${origin}: ${ca.kind === 'failed' ? ca.why : ca.problem.title}`);
      continue;
    }
    const trust = ca.value.certificates.filter(pem => hasPin(pem, token.pins));
    if (trust.length === 0) {
      failures.push(`${origin}: its CA is not the one that the token names`);
      continue;
    }
    const answer = await ask({ url: `${origin}/v1/join`, schema: JoinAnswer, trust, body: await makeRequest() });
    if (answer.kind === 'ok') return answer.value;
    // A server that fails, or whose answer is lost, may have counted the use all the same.
    if (answer.kind === 'failed' || answer.problem.status >= ERRORS.internal.status) isFinal = false;
    if (answer.kind === 'failed') failures.push(`${origin}: ${answer.why}`);
    else refusal ??= answer.problem;
  }
  if (refusal !== undefined) throw new JoinDenied(refusal, isFinal);
  throw new PrimaryUnreachable(
    `the Primary cannot be reached (${failures.join('; ')}); start it, or check the network`,
  );
}

const ask: <S extends typeof CaAnswer | typeof JoinAnswer>(
  options: Omit<Parameters<typeof httpsJson<S>>[0], 'deadlineMs'>,
) => ReturnType<typeof httpsJson<S>> = options => httpsJson({ ...options, deadlineMs: ASK_DEADLINE_MS });

function hasPin(pem: string, pins: readonly string[]): boolean {
  try {
    return pins.includes(keyHashOfCertificate(new X509Certificate(pem)));
  } catch {
    return false;
  }
}

/** Checks the answer before anything of it is believed. */
function saveJoined(folder: DataFolder, keys: ServerKeys, answer: JoinAnswer): void {
  const statement = verifyStatement(answer.statement, answer.caCertificates);
  const mine = statement?.servers.find(({ keyHash }) => keyHash === keyHashOf(keys.tls));
  const dataKey = unwrapDataKey(answer.wrappedDataKey, keys.wrapping, answer.siteId);
  if (statement?.siteId !== answer.siteId || mine === undefined || dataKey === undefined) {
    throw new JoinFailed(
      'the answer of the Primary does not fit this server; look at its log, and join with a new token',
    );
  }
  const { certificate: certificatePem, caCertificates } = answer;
  saveSiteKeys(folder.path, { certificatePem, caCertificates, dataKey, caKeyPem: undefined });
  saveStatementFile(folder.path, answer.statement);
  dataKey.fill(0);
}

async function waitForDatabase(record: SourceOfRecord, answer: JoinAnswer, deadlineMs: number): Promise<void> {
  const end = systemClock.monotonicMs() + deadlineMs;
  for (;;) {
    const seen = await record.site().catch(() => undefined);
    if (seen !== undefined && compareVersions(seen.version, answer.version) >= 0) return;
    if (systemClock.monotonicMs() > end) {
      const has = seen === undefined ? 'nothing of the site yet' : `generation ${seen.version.generation}`;
      throw new JoinFailed(
        `this server has joined, but its database has ${has}, not generation ${answer.version.generation}: check replication, then "thinman-server start"`,
      );
    }
    await new Promise<void>(resolve => setTimeout(resolve, DATABASE_POLL_MS));
  }
}
