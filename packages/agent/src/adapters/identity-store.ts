import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import {
  isNewerStatement,
  MAX_BODY_BYTES,
  ObjectName,
  parseJson,
  parseValue,
  SignedStatement,
  Uuid,
} from '@thinman/protocol';
import { writeFileAtomic } from '../atomic-file.ts';
import { makeFolder } from '../make-folder.ts';
import type { DeviceIdentity, IdentityStore } from '../ports.ts';
import { readSmallFileIfThere, UnfitFile } from '../read-file.ts';
import { generateDeviceKey, spkiHash } from './device-key.ts';
import { DEVICE_SECRET_BYTES, type DeviceSecret, deviceSecret } from './device-secret.ts';
import { verifyStatement } from './statement.ts';
import { systemdCreds } from './systemd-creds.ts';

export { DEVICE_SECRET_BYTES } from './device-secret.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

const FILES = {
  /** Written last at enrolment: where it is, the others are. */
  device: 'device.json',
  key: 'device.key',
  certificate: 'device.crt',
  /** When that was issued; it goes with one serial number, so that the two files need not change at once. */
  issued: 'device.issued.json',
  ca: 'ca.crt',
  statement: 'statement.json',
} as const;

/** What `device.json` of this build looks like; where it does not say, it is the first. */
const FORMAT = 1;

/** The folder is one of a newer ThinMan: it is refused, not guessed at. `message` says what to do. */
export class IdentityOfNewerVersion extends Error {
  override readonly name = 'IdentityOfNewerVersion';
  constructor(path: string) {
    super(`${path} was written by a newer version of ThinMan; install that version again`);
  }
}

/** The identity is there but cannot be used. `message` says what is wrong and what to do. */
export class IdentityDamaged extends Error {
  override readonly name = 'IdentityDamaged';
  constructor(dir: string, what: string) {
    super(
      `the identity in ${dir} cannot be used: ${what}; restore that folder from a backup, or move it away and enrol this device again`,
    );
  }
}

/**
 * The identity's folder: seven files, 0600 in 0700 (an eighth where the device's secret is sealed), each replaced atomically; made with the first of them.
 * `saveStatement` keeps nothing that is not verified and newer than what is held.
 */
export function openIdentityStore(
  identityDir: string,
  secret: DeviceSecret = deviceSecret(identityDir, systemdCreds()),
): IdentityStore {
  const path = (file: string) => join(identityDir, file);
  /** As read last; undefined: not yet, or something was written since. */
  let read: DeviceIdentity | undefined;
  const current = () => {
    read ??= loadIdentity(identityDir, secret);
    return read;
  };
  const write = (file: string, content: string | Uint8Array) => {
    read = undefined;
    makeFolder(identityDir, FOLDER_MODE);
    writeFileAtomic(path(file), content, FILE_MODE);
  };

  function saveCertificate(certificate: string, issuedAtMs: number | undefined): void {
    if (issuedAtMs !== undefined) {
      const { serialNumber } = new X509Certificate(certificate);
      write(FILES.issued, `${JSON.stringify({ serialNumber, issuedAtMs }, null, 2)}\n`);
    }
    write(FILES.certificate, certificate);
  }

  function saveCaCertificates(caCertificates: readonly string[]): void {
    write(FILES.ca, `${caCertificates.map(pem => pem.trim()).join('\n')}\n`);
  }

  const store: IdentityStore = {
    load() {
      read = undefined;
      return current();
    },
    save(identity) {
      const { siteId, deviceId, name } = identity;
      write(FILES.key, identity.privateKey);
      saveCertificate(identity.certificate, identity.certificateIssuedAtMs);
      saveCaCertificates(identity.caCertificates);
      secret.save(identity.deviceSecret);
      write(FILES.device, `${JSON.stringify({ format: FORMAT, siteId, deviceId, name }, null, 2)}\n`);
    },
    saveCertificate,
    saveCaCertificates,
    loadStatement() {
      const identity = current();
      const text = readIfThere(path(FILES.statement))?.toString();
      if (identity === undefined || text === undefined) return undefined;
      const signed = parseJson(SignedStatement, text, MAX_BODY_BYTES);
      const statement = signed.ok ? verifyStatement(signed.value, identity.caCertificates, identity.siteId) : undefined;
      if (!signed.ok || statement === undefined)
        throw new IdentityDamaged(identityDir, `${FILES.statement} is not signed by this site`);
      return { signed: signed.value, statement };
    },
    saveStatement(signed) {
      const identity = current();
      if (identity === undefined) return;
      const candidate = verifyStatement(signed, identity.caCertificates, identity.siteId);
      if (candidate === undefined || !isNewerStatement(candidate, store.loadStatement()?.statement)) return;
      write(FILES.statement, `${JSON.stringify(signed, null, 2)}\n`);
    },
  };
  return store;
}

/**
 * The key for an enrolment: made at the first attempt and kept, so that an attempt whose answer was lost can be repeated
 * with the same key. PKCS#8 PEM.
 */
export function keyForEnrolment(identityDir: string): string {
  makeFolder(identityDir, FOLDER_MODE);
  const path = join(identityDir, FILES.key);
  const kept = readIfThere(path)?.toString();
  if (kept !== undefined && parsePrivateKey(kept) !== undefined) return kept;
  const made = generateDeviceKey();
  writeFileAtomic(path, made, FILE_MODE);
  return made;
}

function loadIdentity(dir: string, secret: DeviceSecret): DeviceIdentity | undefined {
  const deviceText = readIfThere(join(dir, FILES.device))?.toString();
  if (deviceText === undefined) return undefined;
  const damaged = (what: string) => new IdentityDamaged(dir, what);
  const read = (file: string) => {
    const content = readIfThere(join(dir, file));
    if (content === undefined) throw damaged(`${file} is missing`);
    return content;
  };

  if (formatOf(deviceText) > FORMAT) throw new IdentityOfNewerVersion(join(dir, FILES.device));
  const device = parseDevice(deviceText);
  if (device === undefined) throw damaged(`${FILES.device} does not have the right content`);
  const privateKey = read(FILES.key).toString();
  const key = parsePrivateKey(privateKey);
  if (key === undefined) throw damaged(`${FILES.key} is not a private key`);
  const certificate = read(FILES.certificate).toString();
  if (parseCertificate(certificate)?.checkPrivateKey(key) !== true)
    throw damaged(`${FILES.certificate} does not belong to ${FILES.key}`);
  const caCertificates = splitPem(read(FILES.ca).toString());
  if (caCertificates.length === 0 || !caCertificates.every(pem => parseCertificate(pem)?.ca === true))
    throw damaged(`${FILES.ca} does not hold the site's CA`);
  const held = readSecret(dir, secret);
  if (held === undefined) throw damaged('device.secret is missing');
  if (held.length !== DEVICE_SECRET_BYTES) throw damaged('device.secret does not have the right length');
  const issuedAtMs = issuedAt(readIfThere(join(dir, FILES.issued))?.toString(), certificate);
  return {
    ...device,
    privateKey,
    certificate,
    ...(issuedAtMs !== undefined && { certificateIssuedAtMs: issuedAtMs }),
    caCertificates,
    keyHash: spkiHash(key),
    deviceSecret: held,
  };
}

function readSecret(dir: string, secret: DeviceSecret): Buffer | undefined {
  try {
    return secret.read();
  } catch (error) {
    throw error instanceof UnfitFile ? new IdentityDamaged(dir, `device.secret ${error.what}`) : error;
  }
}

/** undefined: not written down for this certificate. Nothing but the date of a renewal rests on it. */
function issuedAt(text: string | undefined, certificate: string): number | undefined {
  const field = fieldsOf(text ?? '');
  if (field?.('serialNumber') !== parseCertificate(certificate)?.serialNumber) return undefined;
  const issuedAtMs = field?.('issuedAtMs');
  return typeof issuedAtMs === 'number' ? issuedAtMs : undefined;
}

function formatOf(text: string): number {
  try {
    const { format } = JSON.parse(text) as { format?: unknown };
    return typeof format === 'number' ? format : FORMAT;
  } catch {
    return FORMAT;
  }
}

function parseDevice(text: string): Pick<DeviceIdentity, 'siteId' | 'deviceId' | 'name'> | undefined {
  const field = fieldsOf(text);
  if (field === undefined) return undefined;
  const siteId = parseValue(Uuid, field('siteId'));
  const deviceId = parseValue(Uuid, field('deviceId'));
  const name = parseValue(ObjectName, field('name'));
  if (!siteId.ok || !deviceId.ok || !name.ok) return undefined;
  return { siteId: siteId.value, deviceId: deviceId.value, name: name.value };
}

/** How to read the fields of this JSON object; undefined: it is none. */
function fieldsOf(text: string): ((name: string) => unknown) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  return name => Reflect.get(value, name);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readSmallFileIfThere(path, MAX_BODY_BYTES);
  } catch (error) {
    throw error instanceof UnfitFile ? new IdentityDamaged(dirname(path), `${basename(path)} ${error.what}`) : error;
  }
}

function parsePrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function splitPem(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
