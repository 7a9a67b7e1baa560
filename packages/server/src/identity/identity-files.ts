import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SignedStatement } from '@thinman/protocol';
import { isDataKey } from './data-key.ts';
import { makePrivateFolder, writeFileAtomically } from './key-files.ts';
import { keyHashOf } from './key-hash.ts';

/** A server's own three keys (`design.md`, Identity and trust). */
export type ServerKeys = {
  /** ECDSA P-256: TLS; "this server's key". */
  readonly tls: KeyObject;
  /** Ed25519: signs sessions. */
  readonly session: KeyObject;
  /** X25519: the site data key is wrapped to it. */
  readonly wrapping: KeyObject;
};

/** What the site gave it. */
export type SiteKeys = {
  readonly certificatePem: string;
  readonly caCertificates: readonly string[];
  readonly dataKey: Buffer;
  /** PEM; on the Primary alone, and only written here (`ca-keys.ts` reads it). */
  readonly caKeyPem: string | undefined;
};

/** The identity on disk is incomplete or contradicts itself. The text says which file, and what to do. */
export class IdentityDamaged extends Error {
  override readonly name = 'IdentityDamaged';
}

const KEY_FILES = { tls: 'tls.key', session: 'session.key', wrapping: 'wrapping.key' } as const;
const CERTIFICATE_FILE = 'tls.crt';
const DATA_KEY_FILE = 'data.key';
export const CA_KEY_FILE = 'ca.key';
const STATEMENT_FILE = 'statement.json';
const RIVAL_FILE = 'rival-statement.json';
/** Beside the identity folder, for people: `thinman --ca DIR/ca.crt`. */
const CA_CERTIFICATE_FILE = 'ca.crt';
const PUBLIC_FILE_MODE = 0o644;

export const identityFolder = (dataFolder: string) => join(dataFolder, 'identity');

/** The keys in this folder, or new ones: a join that was cut off goes on with the keys that it began with. */
export function loadOrCreateServerKeys(dataFolder: string): ServerKeys {
  const folder = identityFolder(dataFolder);
  makePrivateFolder(folder);
  const keyOf = (file: string, create: () => KeyObject): KeyObject => {
    const path = join(folder, file);
    if (existsSync(path)) return readKey(path);
    const key = create();
    writeFileAtomically(path, toPem(key));
    return key;
  };
  return {
    tls: keyOf(KEY_FILES.tls, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    session: keyOf(KEY_FILES.session, () => generateKeyPairSync('ed25519').privateKey),
    wrapping: keyOf(KEY_FILES.wrapping, () => generateKeyPairSync('x25519').privateKey),
  };
}

/** The keys of a server that goes on elsewhere. */
export function placeServerKeys(dataFolder: string, keys: ServerKeys): void {
  const folder = identityFolder(dataFolder);
  makePrivateFolder(folder);
  for (const name of ['tls', 'session', 'wrapping'] as const) {
    writeFileAtomically(join(folder, KEY_FILES[name]), toPem(keys[name]));
  }
}

export function saveSiteKeys(dataFolder: string, site: SiteKeys): void {
  const folder = identityFolder(dataFolder);
  makePrivateFolder(folder);
  saveServerCertificate(dataFolder, site.certificatePem);
  saveDataKey(dataFolder, site.dataKey);
  if (site.caKeyPem !== undefined) writeFileAtomically(join(folder, CA_KEY_FILE), site.caKeyPem);
  saveCaCertificates(dataFolder, site.caCertificates);
}

/** The site data key, as this server was given it last. */
export function saveDataKey(dataFolder: string, dataKey: Buffer): void {
  writeFileAtomically(join(identityFolder(dataFolder), DATA_KEY_FILE), dataKey.toString('base64url'));
}

/** A new certificate for the same key; what ties its CA to the one before may follow it. */
export function saveServerCertificate(dataFolder: string, pem: string): void {
  writeFileAtomically(join(identityFolder(dataFolder), CERTIFICATE_FILE), pem);
}

/** The site's CA, or two while it is changed. */
export function saveCaCertificates(dataFolder: string, caCertificates: readonly string[]): void {
  writeFileAtomically(join(dataFolder, CA_CERTIFICATE_FILE), caCertificates.join(''), PUBLIC_FILE_MODE);
}

/** The newest site statement, so that a restart without a database never goes back. */
export function saveStatementFile(dataFolder: string, signed: SignedStatement): void {
  writeFileAtomically(join(identityFolder(dataFolder), STATEMENT_FILE), JSON.stringify(signed));
}

export function loadStatementFile(dataFolder: string): string {
  return readText(join(identityFolder(dataFolder), STATEMENT_FILE));
}

/** One of the same epoch on another line of commits, so that a restart does not forget it. */
export function saveRivalFile(dataFolder: string, signed: SignedStatement): void {
  writeFileAtomically(join(identityFolder(dataFolder), RIVAL_FILE), JSON.stringify(signed));
}

/** undefined: none was ever seen. */
export function loadRivalFile(dataFolder: string): string | undefined {
  const path = join(identityFolder(dataFolder), RIVAL_FILE);
  return existsSync(path) ? readText(path) : undefined;
}

/** Everything in the folder. Throws IdentityDamaged. */
export function loadIdentityFiles(dataFolder: string): {
  readonly keys: ServerKeys;
  readonly site: Omit<SiteKeys, 'caKeyPem'>;
} {
  const folder = identityFolder(dataFolder);
  const keys: ServerKeys = {
    tls: readKey(join(folder, KEY_FILES.tls)),
    session: readKey(join(folder, KEY_FILES.session)),
    wrapping: readKey(join(folder, KEY_FILES.wrapping)),
  };
  const certificatePem = readText(join(folder, CERTIFICATE_FILE));
  const caCertificates = splitPem(readText(join(dataFolder, CA_CERTIFICATE_FILE)));
  const dataKey = Buffer.from(readText(join(folder, DATA_KEY_FILE)), 'base64url');
  if (!isDataKey(dataKey)) throw damaged(join(folder, DATA_KEY_FILE), 'is not a data key');
  if (caCertificates.length === 0) throw damaged(join(dataFolder, CA_CERTIFICATE_FILE), 'holds no certificate');
  if (keyHashOf(readCertificate(join(folder, CERTIFICATE_FILE), certificatePem).publicKey) !== keyHashOf(keys.tls)) {
    throw damaged(join(folder, CERTIFICATE_FILE), 'does not belong to tls.key');
  }
  return { keys, site: { certificatePem, caCertificates, dataKey } };
}

export function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Several PEM blocks in one text. */
export function splitPem(text: string): string[] {
  return (text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(block => `${block}\n`);
}

function readKey(path: string): KeyObject {
  try {
    return createPrivateKey(readText(path));
  } catch (error) {
    throw error instanceof IdentityDamaged ? error : damaged(path, 'is not a private key');
  }
}

function readCertificate(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw damaged(path, 'is not a certificate');
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw damaged(path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

function damaged(path: string, what: string): IdentityDamaged {
  return new IdentityDamaged(`${path} ${what}; put it back from a backup, or join this server anew`);
}
