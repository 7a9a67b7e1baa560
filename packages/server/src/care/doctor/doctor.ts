import type { ServerReport, ServerRole, SiteStatement, Version } from '@thinman/protocol';
import { openDataKey } from '../../identity/data-key.ts';
import { IdentityDamaged, loadIdentityFiles, loadStatementFile, toPem } from '../../identity/identity-files.ts';
import { keyHashOf } from '../../identity/key-hash.ts';
import { rawPublicKey } from '../../identity/raw-keys.ts';
import { readHeldStatement } from '../../identity/statement-holder.ts';
import type { SiteRow, StoredObject } from '../../ports.ts';
import { glanceAt } from '../../record/audit.ts';
import { type Examination, examineMysql } from '../../record/dialects/mysql/examine.ts';
import { DatabaseUnavailable } from '../../record/errors.ts';
import { fromRow } from '../../record/stored-object.ts';
import { readCopy } from '../../replica/read-copy.ts';
import { systemClock } from '../../runtime/clock.ts';
import { isSameServer } from '../../runtime/role.ts';
import { besideServer, type LookedAt } from '../beside-server.ts';
import { checkCertificates } from './certificate-checks.ts';
import { type Check, fail, type Level, ok, warn, worstOf } from './check.ts';
import { checkExamined } from './database-checks.ts';
import { checkDirectories } from './directory-checks.ts';
import { checkFolder } from './folder-checks.ts';
import { checkPeer } from './peer-checks.ts';
import { checkRecoveryCode } from './recovery-check.ts';
import { checkServer, notRunning } from './server-checks.ts';
import { checkAligned, checkQuarantine, checkRedundancy, checkSchema, redundancyOf } from './site-checks.ts';

export type DoctorOptions = {
  readonly dataDir: string;
  /** As it was typed, to be verified. */
  readonly recoveryCode?: string;
  /** Asks the server that runs there. */
  askStatus(): Promise<ServerReport>;
};

export type Diagnosis = {
  readonly server: string;
  readonly running: boolean;
  readonly level: Level;
  readonly checks: readonly Check[];
};

/** Looks at a host, with its server running or not, and changes nothing. Throws ConfigError where no server is. */
export function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  return besideServer(options.dataDir, async at => {
    const checks = await checksOf(at, options);
    return { server: at.config.name, running: at.isRunning, level: worstOf(checks), checks };
  });
}

async function checksOf(at: LookedAt, options: DoctorOptions): Promise<readonly Check[]> {
  const { folder, config } = at;
  const own = loadOwn(folder.path);
  const before = [...checkFolder(folder), ...(await askServer(at, options))];
  if (own instanceof IdentityDamaged) {
    return [...before, fail('identity', own.message, 'docs/operations.md, "Restore onto an empty host"')];
  }
  const { statement } = own;
  const mine = statement.servers.find(server => isSameServer(server, own));
  const role: ServerRole = mine?.role ?? 'secondary';
  const database = await lookAtDatabase(at, role);
  const peers = await Promise.all(
    statement.servers
      .filter(server => server !== mine)
      .map(async server => ({ server, ...(await checkPeer(own, server, systemClock.nowMs)) })),
  );
  const primary = peers.find(({ server }) => server.role === 'primary')?.version;
  return [
    ...before,
    checkListed(mine !== undefined, statement),
    ...checkCertificates(own, mine?.url ?? config.url, systemClock.nowMs()),
    ...database.checks,
    ...peers.flatMap(({ checks }) => checks),
    ...(await checkDirectories(copyOf(folder.replica)?.directories ?? [], own.dataKey, systemClock)),
    ...aligned(role, database.site?.version, primary),
    ...aboutSite(at, options, role, statement, database),
  ];
}

function loadOwn(dataDir: string) {
  try {
    const { keys, site } = loadIdentityFiles(dataDir);
    const { certificatePem, caCertificates } = site;
    const held = readHeldStatement(loadStatementFile(dataDir), caCertificates);
    if (held === undefined) return new IdentityDamaged(`the site statement in ${dataDir}/identity is not valid`);
    const dataKey = openDataKey(site.dataKey, held.statement.siteId);
    site.dataKey.fill(0);
    const tls = { keyPem: toPem(keys.tls), certificatePem };
    const known = { keyHash: keyHashOf(keys.tls), wrappingKey: rawPublicKey(keys.wrapping) };
    return { certificatePem, caCertificates, tls, ...known, dataKey, statement: held.statement };
  } catch (error) {
    if (error instanceof IdentityDamaged) return error;
    throw error;
  }
}

async function askServer({ isRunning, folder }: LookedAt, { askStatus }: DoctorOptions): Promise<readonly Check[]> {
  if (!isRunning) return [notRunning(folder.path)];
  try {
    return checkServer(await askStatus());
  } catch (error) {
    return [fail('server', error instanceof Error ? error.message : String(error), 'look at its log')];
  }
}

function checkListed(isListed: boolean, { servers }: SiteStatement): Check {
  if (!isListed) {
    const advice = 'docs/operations.md, "What the states mean": join it anew, in a new data folder';
    return fail('statement', "this server is not in the site's statement: it was removed", advice);
  }
  if (servers.length > 1) return ok('statement', `it lists ${servers.map(({ name }) => name).join(', ')}`);
  return warn('statement', 'it lists this server alone', 'docs/operations.md: join a Secondary, or nobody takes over');
}

type DatabaseSeen = {
  readonly checks: readonly Check[];
  readonly site?: SiteRow;
  readonly examination?: Examination;
};

async function lookAtDatabase({ record, config, folder }: LookedAt, role: ServerRole): Promise<DatabaseSeen> {
  try {
    const { site, quarantined } = await glanceAt(record);
    const isExternal = !config.database.startsWith('sqlite:');
    const readOnly = role === 'secondary';
    const examination = isExternal
      ? await examineMysql(config.database, { dataDir: folder.path, readOnly })
      : undefined;
    const what = examination === undefined ? 'embedded' : `${examination.where}, ${examination.version}`;
    const use = { role, acceptWeakDurability: config.acceptWeakDurability ?? false };
    return {
      site,
      ...(examination && { examination }),
      checks: [
        ok('database', `${what}: it answers`),
        ...(examination === undefined ? [] : checkExamined(examination, use, systemClock.nowMs)),
        checkSchema(site.schema),
        checkQuarantine(quarantined),
      ],
    };
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    return { checks: [fail('database', error.message, 'the server goes on from its copy meanwhile; mend it')] };
  }
}

/** A moment lies between the two words: only who lags for longer is told of, by its state. */
function aligned(role: ServerRole, own: Version | undefined, primary: Version | undefined): readonly Check[] {
  if (role === 'primary' || own === undefined || primary === undefined) return [];
  return [checkAligned(own, primary)];
}

function aboutSite(
  { folder }: LookedAt,
  { recoveryCode }: DoctorOptions,
  role: ServerRole,
  { servers }: SiteStatement,
  { site, examination }: DatabaseSeen,
): readonly Check[] {
  const copy = copyOf(folder.replica);
  const known = site ?? copy?.site;
  const nothing = fail('recovery code', 'neither the database nor the replica can be read', 'mend them first');
  return [
    known === undefined ? nothing : checkRecoveryCode(folder.path, known, recoveryCode, systemClock.nowMs()),
    checkRedundancy(redundancyOf(role, servers.length, examination?.replication), copy?.assignments ?? []),
  ];
}

/** What is damaged there, verify tells. */
function copyOf(path: string):
  | {
      readonly site: SiteRow | undefined;
      readonly assignments: readonly StoredObject[];
      readonly directories: readonly StoredObject[];
    }
  | undefined {
  const assignments: StoredObject[] = [];
  const directories: StoredObject[] = [];
  try {
    const copy = readCopy(path);
    copy.each(row => {
      if (row.deleted !== 0) return;
      if (row.kind === 'Assignment') assignments.push(fromRow(row));
      else if (row.kind === 'Directory') directories.push(fromRow(row));
    });
    copy.close();
    return { site: copy.site, assignments, directories };
  } catch {
    return undefined;
  }
}
