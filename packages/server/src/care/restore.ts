import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { parseValue, type ServerBody, ServerSystem } from '@thinman/protocol';
import {
  ConfigError,
  type DataFolder,
  dataFolder,
  parseDatabaseUrl,
  parseListen,
  parseServerUrl,
  writeConfig,
} from '../config.ts';
import { openCaKeys, placeCaKeys } from '../identity/ca-keys.ts';
import { createCsr } from '../identity/csr.ts';
import { openDataKey } from '../identity/data-key.ts';
import {
  identityFolder,
  placeServerKeys,
  type ServerKeys,
  saveSiteKeys,
  saveStatementFile,
  toPem,
} from '../identity/identity-files.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { pinsOf } from '../identity/pins.ts';
import { rawPublicKey } from '../identity/raw-keys.ts';
import { createSiteAuthority } from '../identity/site-authority.ts';
import { composeStatement } from '../identity/site-statement.ts';
import type { CertificateAuthority, ServerIdentity, StoredObject } from '../ports.ts';
import { type CopiedRows, canCopyIn, copyIn } from '../record/copy.ts';
import { describeFinding, SiteExists } from '../record/errors.ts';
import { dialectFor } from '../record/source-of-record.ts';
import { fromRow, type ObjectRow } from '../record/stored-object.ts';
import { systemClock } from '../runtime/clock.ts';
import { withNewFolder } from '../setup/new-folder.ts';
import type { BackupKeys } from './backup-format.ts';
import { askForStatements } from './known-epochs.ts';
import { type OpenBackup, openBackup } from './open-backup.ts';

export type RestoreOptions = {
  readonly file: string;
  readonly recoveryCode: string;
  /** To be made. */
  readonly dataDir: string;
  readonly listen: string;
  readonly url: string;
  /** Empty; in the data folder where left out. */
  readonly database?: string;
  readonly acceptWeakDurability?: boolean;
  /** The new epoch is higher than this: than what devices and servers know that cannot be asked. */
  readonly epochAbove?: number;
  /** Told what an administrator should mend, one line each. */
  readonly warn?: (line: string) => void;
};

export type Restored = {
  readonly siteId: string;
  readonly server: string;
  /** Of the commit that the restored site begins with. */
  readonly epoch: number;
  readonly generation: number;
  /** When the backup was made, Unix milliseconds. */
  readonly takenAt: number;
  readonly rows: Readonly<Record<string, number>>;
  /** The other servers of the site. */
  readonly others: readonly string[];
};

/**
 * Makes this host the Primary of a backed-up site, in an epoch above those of the backup and of every server that answers: the same server to devices and Secondaries (its keys are in the
 * backup), on a database that was empty. Throws ConfigError, and then leaves nothing behind; DatabaseUnavailable.
 */
export async function restoreSite(options: RestoreOptions): Promise<Restored> {
  const folder = dataFolder(options.dataDir);
  const url = parseServerUrl(options.url);
  parseListen(options.listen);
  const database = parseDatabaseUrl(options.database ?? `sqlite:${folder.record}`);
  const backup = await openBackup(options.file, options.recoveryCode);
  if (!canCopyIn(backup.header.schema)) {
    throw new ConfigError(`${options.file} was made by a newer version of ThinMan; install that version`);
  }
  // All of it, before anything is made: a file that was cut off is refused here.
  const found = await lookThrough(backup);
  const primary = primaryOf(found, options.file);
  refuseUrlOfAnother(found, primary, url);
  const isOther = ({ name }: StoredObject) => name !== primary.name;

  return withNewFolder(folder, [], async () => {
    const { siteId, generation } = backup.header;
    const [instance, commitId] = [randomUUID(), randomUUID()];
    const keys = serverKeys(found.keys);
    const identity = await issueIdentity(folder, backup, found, { keys, name: primary.name, url });
    const epoch = await newestEpoch(options, backup.header.epoch, identity, found.servers.filter(isOther));
    const version = { epoch: epoch + 1, generation: generation + 1 };
    const server: StoredObject = {
      ...{ kind: 'Server', name: primary.name, uid: primary.uid, generation: version.generation, deleted: false },
      body: { ...primary.body, url },
      system: { ...primary.system, instance, ...wrapped(found.keys, siteId, keys) },
    };
    const statement = identity.authority.sign(
      composeStatement({
        ...{ siteId, epoch: version.epoch, epochId: commitId, version: version.generation },
        ...{ primaryInstance: instance, caPins: pinsOf(identity.caCertificates), directories: found.directories },
        servers: [server, ...found.servers.filter(isOther)],
      }),
    );
    saveStatementFile(folder.path, statement);
    const by = { actor: ACTOR, atMs: systemClock.nowMs(), primaryInstance: instance };
    const renewed = { version, commitId, ...by, statement };
    await fillDatabase(options, database.url, folder, backup, { ...renewed, objects: [server] });
    const written = options.database === undefined ? `sqlite:${basename(folder.record)}` : database.url;
    const weak = options.acceptWeakDurability === true ? { acceptWeakDurability: true } : {};
    const { name } = primary;
    writeConfig(folder, { name, listen: options.listen, url, database: written, ...weak, instance, siteId });
    const others = found.servers.filter(isOther).map(other => other.name);
    return { siteId, server: name, ...version, takenAt: backup.header.takenAt, rows: found.rows, others };
  });
}

const ACTOR = 'restore';

type Found = {
  readonly keys: BackupKeys;
  readonly site: Readonly<Record<string, unknown>>;
  readonly servers: readonly StoredObject[];
  readonly directories: readonly StoredObject[];
  readonly rows: Readonly<Record<string, number>>;
};

async function lookThrough(backup: OpenBackup): Promise<Found> {
  let keys: BackupKeys | undefined;
  let site: Found['site'] | undefined;
  const live: StoredObject[] = [];
  const rows: Record<string, number> = {};
  for await (const part of backup.read()) {
    if (part.kind === 'keys') {
      keys = part.keys;
      continue;
    }
    rows[part.table] = (rows[part.table] ?? 0) + part.rows.length;
    if (part.table === 'site') site = part.rows[0];
    if (part.table !== 'objects') continue;
    for (const row of part.rows as readonly ObjectRow[]) {
      if (row.deleted === 0 && (row.kind === 'Server' || row.kind === 'Directory')) live.push(fromRow(row));
    }
  }
  if (keys === undefined || site === undefined) throw new ConfigError('the backup holds no site');
  const ofKind = (kind: StoredObject['kind']) => live.filter(object => object.kind === kind);
  return { keys, site, servers: ofKind('Server'), directories: ofKind('Directory'), rows };
}

function primaryOf({ site, servers, keys }: Found, file: string): StoredObject {
  const primary = servers.find(({ system }) => system.instance === site.primaryInstance);
  const parsed = parseValue(ServerSystem, primary?.system);
  if (primary === undefined || !parsed.ok || parsed.value.keyHash !== keyHashOf(createPrivateKey(keys.tls))) {
    throw new ConfigError(`${file} is not of the site's Primary of that moment; take another backup`);
  }
  return primary;
}

function refuseUrlOfAnother({ servers }: Found, primary: StoredObject, url: string): void {
  const other = servers.find(({ name, body }) => name !== primary.name && (body as ServerBody).url === url);
  if (other === undefined) return;
  throw new ConfigError(`--url ${url} is that of the server ${other.name}; give this one another`);
}

function serverKeys({ tls, session }: BackupKeys): ServerKeys {
  const { privateKey: wrapping } = generateKeyPairSync('x25519');
  return { tls: createPrivateKey(tls), session: createPrivateKey(session), wrapping };
}

function wrapped({ dataKey }: BackupKeys, siteId: string, { wrapping }: ServerKeys) {
  const ring = Buffer.from(dataKey, 'base64url');
  const wrappingKey = rawPublicKey(wrapping);
  const wrappedDataKey = openDataKey(ring, siteId).wrapFor(wrappingKey);
  ring.fill(0);
  return { wrappingKey, wrappedDataKey };
}

type Issued = Pick<ServerIdentity, 'tls' | 'caCertificates'> & { readonly authority: CertificateAuthority };

/** Writes the identity folder, but for the statement. */
async function issueIdentity(
  { path }: DataFolder,
  { caKeys }: Pick<OpenBackup, 'caKeys'>,
  found: Found,
  to: { readonly keys: ServerKeys; readonly name: string; readonly url: string },
): Promise<Issued> {
  const { keys, name, url } = to;
  const caCertificates = JSON.parse(String(found.site.caCertificates)) as string[];
  placeServerKeys(path, keys);
  placeCaKeys(identityFolder(path), caKeys);
  const authority = createSiteAuthority(caKeysIn(path), () => caCertificates, systemClock);
  const { pem: certificatePem } = await authority.issueServer(await createCsr(keys.tls), name, [url]);
  const dataKey = Buffer.from(found.keys.dataKey, 'base64url');
  saveSiteKeys(path, { certificatePem, caCertificates, dataKey, caKeyPem: undefined });
  dataKey.fill(0);
  return { tls: { keyPem: toPem(keys.tls), certificatePem }, caCertificates, authority };
}

/** Devices and servers that know a later epoch than the restored one would not follow it. */
async function newestEpoch(
  { epochAbove = 0, warn = () => {} }: RestoreOptions,
  backedUp: number,
  identity: Issued,
  others: readonly StoredObject[],
): Promise<number> {
  const asked = await askForStatements(identity, others);
  for (const { name, url, statement } of asked) {
    if (statement?.servers.some(server => server.name === name && server.role === 'primary')) {
      warn(`${name} (${url}) is the Primary of epoch ${statement.epoch}: it is none any more once this host starts`);
    }
    if (statement === undefined && epochAbove === 0) {
      warn(
        `${name} (${url}) does not say which epoch it knows: if a server was promoted or a database accepted after this backup was taken, restore with --epoch-above N`,
      );
    }
  }
  return Math.max(backedUp, epochAbove, ...asked.map(({ statement }) => statement?.epoch ?? 0));
}

function caKeysIn(path: string) {
  const keys = openCaKeys(identityFolder(path));
  if (keys === undefined) throw new Error('the keys of the CAs were written, and are not there');
  return keys;
}

async function fillDatabase(
  { acceptWeakDurability = false, warn = () => {} }: RestoreOptions,
  url: string,
  { path: dataDir }: DataFolder,
  backup: OpenBackup,
  renewed: Parameters<typeof copyIn>[3],
): Promise<void> {
  const dialect = dialectFor(url, {
    ...{ dataDir, acceptWeakDurability, clock: systemClock },
    onFinding: (where, finding) => warn(describeFinding(where, finding)),
  });
  try {
    await copyIn(dialect, backup.header.schema, () => rowsOf(backup), renewed);
  } catch (error) {
    if (!(error instanceof SiteExists)) throw error;
    throw new ConfigError(
      'the database holds a site already, and a site is never written over; choose an empty one, or empty it if an earlier restore was cut off',
    );
  } finally {
    await dialect.close();
  }
}

async function* rowsOf(backup: OpenBackup): AsyncGenerator<CopiedRows> {
  for await (const part of backup.read()) if (part.kind === 'rows') yield part;
}
