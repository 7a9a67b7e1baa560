import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, existsSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { canonicalJson } from '@thinman/protocol';
import { ConfigError, type ServerConfig } from '../config.ts';
import { openCaKeys } from '../identity/ca-keys.ts';
import { followedDataKey } from '../identity/data-key.ts';
import { identityFolder, loadIdentityFiles, toPem } from '../identity/identity-files.ts';
import { syncFolder } from '../identity/key-files.ts';
import { pinOf } from '../identity/pins.ts';
import type { SiteRow } from '../ports.ts';
import { copyOut } from '../record/copy.ts';
import { systemClock } from '../runtime/clock.ts';
import { type BackupKeys, headerLine } from './backup-format.ts';
import { backupKey, sealChunks } from './backup-seal.ts';
import { besideServer, type LookedAt } from './beside-server.ts';

const FILE_MODE = 0o600;
const SALT_BYTES = 32;

export type BackupOptions = { readonly dataDir: string; readonly file: string; readonly force?: boolean };
/** Rows by table, and the size of the file in bytes. */
export type BackupMade = {
  readonly site: Pick<SiteRow, 'siteId' | 'version'>;
  readonly rows: Readonly<Record<string, number>>;
  readonly bytes: number;
};

/**
 * Writes all of a site into one file that its recovery code opens: one snapshot of the source of record, and the keys of the
 * Primary, which may run meanwhile. The file is there as a whole or not at all. Throws ConfigError, DatabaseUnavailable.
 */
export async function backUp({ dataDir, file, force = false }: BackupOptions): Promise<BackupMade> {
  const path = resolve(file);
  if (!force && existsSync(path))
    throw new ConfigError(`${path} is there already; choose another name, or add --force`);
  return besideServer(dataDir, async at => {
    const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
    try {
      const made = await writeBackup(at, temporary);
      await rename(temporary, path);
      syncFolder(dirname(path));
      return made;
    } catch (error) {
      rmSync(temporary, { force: true });
      throw explained(error, path);
    }
  });
}

const NO_PLACE: readonly string[] = ['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'EROFS'];

function explained(error: unknown, path: string): unknown {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || !NO_PLACE.includes(code)) return error;
  return new ConfigError(`${path} cannot be written (${code}); choose a place where you may write`);
}

async function writeBackup({ folder, config, record }: LookedAt, temporary: string): Promise<BackupMade> {
  const caKeys = openCaKeys(identityFolder(folder.path));
  if (caKeys === undefined) {
    throw notThePrimary(config);
  }
  const rows: Record<string, number> = {};
  let site: BackupMade['site'] | undefined;
  let body: Sealed | undefined;
  let total = 0;
  await copyOut(
    record,
    async (found, servers) => {
      site = found;
      const own = servers.find(({ system }) => system.instance === config.instance);
      // It may have the CA's key from a promotion that was cut off.
      if (own === undefined || found.primaryInstance !== config.instance) throw notThePrimary(config);
      const caPin = pinOf(found.caCertificates[0] ?? '');
      const caKey = caKeys.find(caPin);
      if (caKey === undefined) throw new ConfigError('the CA is being changed at this moment; run this again');
      const { siteId, version, schema, wrappedCaKey } = found;
      const salt = randomBytes(SALT_BYTES).toString('base64url');
      const about = { ...{ siteId, ...version, schema, wrappedCaKey, caPin, salt }, server: config.name };
      const header = headerLine({ ...about, takenAt: systemClock.nowMs() });
      body = openSealed(temporary, header, backupKey(caKey, salt, header));
      await body.write(keysOf(folder.path, siteId, own.system.wrappedDataKey));
    },
    async page => {
      rows[page.table] = (rows[page.table] ?? 0) + page.rows.length;
      total += page.rows.length;
      await body?.write(page);
    },
  ).catch(async error => {
    await body?.giveUp();
    throw error;
  });
  if (site === undefined || body === undefined) throw new Error('a site was copied without its beginning');
  await body.write({ rows: total });
  return { site, rows, bytes: await body.end() };
}

function notThePrimary({ name }: ServerConfig): ConfigError {
  return new ConfigError(`${name} is a Secondary; a backup is made on the Primary, where the site's CA is`);
}

/** The data key is what opens the rows of the snapshot: a commit that made a newer one may not have reached the identity folder. */
function keysOf(dataDir: string, siteId: string, wrapped: unknown): BackupKeys {
  const { keys, site } = loadIdentityFiles(dataDir);
  const followed =
    typeof wrapped === 'string' ? followedDataKey(site.dataKey, wrapped, keys.wrapping, siteId) : undefined;
  const dataKey = (followed ?? site.dataKey).toString('base64url');
  for (const ring of [site.dataKey, followed]) ring?.fill(0);
  return { tls: toPem(keys.tls), session: toPem(keys.session), dataKey };
}

type Sealed = ReturnType<typeof openSealed>;

/** Lines on their way into the file. Whoever writes waits for the disk. */
function openSealed(path: string, header: string, key: Buffer) {
  const lines = new PassThrough();
  const file = createWriteStream(path, { flags: 'wx', mode: FILE_MODE, flush: true });
  file.write(header);
  const written = pipeline(lines, createGzip(), source => sealChunks(key, source), file).finally(() => key.fill(0));
  // Told to whoever writes next, or to who ends it.
  written.catch(() => {});
  return {
    async write(line: unknown): Promise<void> {
      if (!lines.write(`${canonicalJson(line)}\n`)) await Promise.race([once(lines, 'drain'), written]);
    },
    async end(): Promise<number> {
      lines.end();
      await written;
      return file.bytesWritten;
    },
    async giveUp(): Promise<void> {
      lines.destroy();
      await written.catch(() => {});
    },
  };
}
