import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { type ServerSystem, SITE_SETTINGS_NAME } from '@thinman/protocol';
import { ConfigError, dataFolder, parseDatabaseUrl, parseListen, parseServerUrl, writeConfig } from '../config.ts';
import { createSiteCa, openCertificateAuthority } from '../identity/certificate-authority.ts';
import { createCsr } from '../identity/csr.ts';
import { newDataKey, openDataKey } from '../identity/data-key.ts';
import { loadOrCreateServerKeys, saveSiteKeys, saveStatementFile, toPem } from '../identity/identity-files.ts';
import { createPasswordHasher } from '../identity/password-hasher.ts';
import { pinsOf } from '../identity/pins.ts';
import { rawPublicKey } from '../identity/raw-keys.ts';
import { formatRecoveryCode, newRecoveryCode, wrapCaKey } from '../identity/recovery-code.ts';
import { composeStatement } from '../identity/site-statement.ts';
import type { StoredObject } from '../ports.ts';
import { describeFinding, SiteExists } from '../record/errors.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { systemClock } from '../runtime/clock.ts';
import { checkServerName, withNewFolder } from './new-folder.ts';

/** What a new site is made from. */
export type InitOptions = {
  readonly dataDir: string;
  readonly name: string;
  readonly listen: string;
  readonly url: string;
  /** `sqlite:PATH` or `mysql://…`; in the data folder where left out. */
  readonly database?: string;
  /** Take a database whose settings may lose what it has acknowledged, now and at every start. */
  readonly acceptWeakDurability?: boolean;
  /** Told what an administrator should mend, one line each. */
  readonly warn?: (line: string) => void;
  /** Of the administrator `admin`; without it only the local socket lets anybody in. */
  readonly adminPassword?: string;
};

/** What a new site is known by. */
export type NewSite = {
  readonly siteId: string;
  /** SHA-256 of the CA's public key: what `thinman --pin` and enrolment tokens carry. */
  readonly caPin: string;
  /** Shown once, kept nowhere. */
  readonly recoveryCode: string;
};

type NewObject = Pick<StoredObject, 'kind' | 'name' | 'body' | 'system'>;

const FIRST_ADMINISTRATOR = 'admin';
/** Epoch and generation of a new site's first commit. */
const FIRST = 1;

/**
 * Makes a site and its Primary: CA, keys, database with the first objects, data folder. Throws ConfigError when the folder
 * or the database is not empty; then nothing is left behind.
 */
export async function initSite(options: InitOptions): Promise<NewSite> {
  const folder = dataFolder(options.dataDir);
  const name = checkServerName(options.name);
  const url = parseServerUrl(options.url);
  parseListen(options.listen);
  const database = parseDatabaseUrl(options.database ?? `sqlite:${folder.record}`);

  return withNewFolder(folder, [], async () => {
    const [siteId, instance] = [randomUUID(), randomUUID()];
    const clock = systemClock;
    const ca = await createSiteCa(siteId, clock.nowMs());
    const authority = openCertificateAuthority(toPem(ca.key), ca.certificatePem, clock);
    const keys = loadOrCreateServerKeys(folder.path);
    const tls = await authority.issueServer(await createCsr(keys.tls), name, [url]);
    const dataKey = newDataKey();
    const wrappingKey = rawPublicKey(keys.wrapping);
    const system: ServerSystem = {
      ...{ instance, keyHash: tls.keyHash, sessionKey: rawPublicKey(keys.session), wrappingKey },
      wrappedDataKey: openDataKey(dataKey, siteId).wrapFor(wrappingKey),
    };
    const server: NewObject = { kind: 'Server', name, body: { url, order: 0 }, system };
    const caCertificates = [ca.certificatePem];
    const statement = authority.sign(
      composeStatement({
        ...{ siteId, epoch: FIRST, version: FIRST, primaryInstance: instance, caPins: pinsOf(caCertificates) },
        servers: [{ ...server, uid: instance, generation: FIRST, deleted: false }],
        directories: [],
      }),
    );
    const code = newRecoveryCode();
    saveSiteKeys(folder.path, { certificatePem: tls.pem, caCertificates, dataKey, caKeyPem: toPem(ca.key) });
    saveStatementFile(folder.path, statement);
    // Last but for the configuration: files can be taken back, and an external database is not cleared by this.
    await fillDatabase(
      options,
      database.url,
      folder.path,
      {
        ...{ siteId, primaryInstance: instance, statement, caCertificates },
        wrappedCaKey: wrapCaKey(ca.key, code, siteId),
      },
      [server, await administrator(options.adminPassword), settings],
    );
    // A folder that is moved or restored elsewhere takes its own database with it: the default is relative to it.
    const written = options.database === undefined ? `sqlite:${basename(folder.record)}` : database.url;
    const weak = options.acceptWeakDurability === true ? { acceptWeakDurability: true } : {};
    writeConfig(folder, { name, listen: options.listen, url, database: written, ...weak, instance, siteId });
    const recoveryCode = formatRecoveryCode(code);
    code.fill(0);
    dataKey.fill(0);
    return { siteId, caPin: pinsOf(caCertificates)[0] ?? '', recoveryCode };
  });
}

const settings: NewObject = { kind: 'SiteSettings', name: SITE_SETTINGS_NAME, body: {}, system: {} };

async function administrator(password: string | undefined): Promise<NewObject> {
  const system = password === undefined ? {} : await createPasswordHasher().administrator(password);
  return { kind: 'Administrator', name: FIRST_ADMINISTRATOR, body: { role: 'owner' }, system };
}

async function fillDatabase(
  { acceptWeakDurability = false, warn = () => {} }: InitOptions,
  url: string,
  dataDir: string,
  ...[site, objects]: Parameters<ReturnType<typeof openSourceOfRecord>['initialise']>
): Promise<void> {
  const record = openSourceOfRecord(url, {
    ...{ dataDir, acceptWeakDurability, clock: systemClock },
    onFinding: (where, finding) => warn(describeFinding(where, finding)),
  });
  try {
    await record.initialise(site, objects);
  } catch (error) {
    if (!(error instanceof SiteExists)) throw error;
    throw new ConfigError('the database holds a site already; choose another one, or join that site as a Secondary');
  } finally {
    await record.close();
  }
}
