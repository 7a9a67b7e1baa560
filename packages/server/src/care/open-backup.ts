import type { KeyObject } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { parseValue } from '@thinman/protocol';
import { ConfigError } from '../config.ts';
import { keyHashOf } from '../identity/key-hash.ts';
import { readRecoveryCode, unwrapCaKeys } from '../identity/recovery-code.ts';
import { type CopiedRows, isCopiedTable } from '../record/copy.ts';
import { BackupEnd, type BackupHeader, BackupKeys, BackupRows, MAX_HEADER_BYTES, readHeader } from './backup-format.ts';
import { BackupBroken, backupKey, openChunks } from './backup-seal.ts';

/** A backup that its recovery code has opened. */
export type OpenBackup = {
  readonly header: BackupHeader;
  /** Of the site's CAs, an older one first. */
  readonly caKeys: readonly KeyObject[];
  /** Its keys, then all rows. Each call begins at the beginning. Throws ConfigError where it was cut off or changed. */
  read(): AsyncGenerator<BackupPart>;
};
export type BackupPart =
  | { readonly kind: 'keys'; readonly keys: BackupKeys }
  | ({ readonly kind: 'rows' } & CopiedRows);

/** Throws ConfigError: no backup, or another code. */
export async function openBackup(path: string, recoveryCode: string): Promise<OpenBackup> {
  const code = readRecoveryCode(recoveryCode);
  if (!code.ok) throw new ConfigError(code.why);
  const { line, header } = await headerOf(path);
  const caKeys = unwrapCaKeys(header.wrappedCaKey, code.code, header.siteId);
  code.code.fill(0);
  const caKey = caKeys.find(key => keyHashOf(key) === header.caPin);
  if (caKey === undefined) {
    throw new ConfigError(
      `this recovery code does not open ${path}: it is of another site, or of another CA than the site had then`,
    );
  }
  const key = backupKey(caKey, header.salt, line);
  return { header, caKeys, read: () => readParts(path, Buffer.byteLength(line), key) };
}

async function headerOf(path: string): Promise<{ readonly line: string; readonly header: BackupHeader }> {
  const bytes = Buffer.alloc(MAX_HEADER_BYTES);
  let length: number;
  try {
    const file = await open(path, 'r');
    try {
      length = (await file.read(bytes, 0, bytes.length, 0)).bytesRead;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new ConfigError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}); check the name`);
  }
  const line = bytes.subarray(0, bytes.subarray(0, length).indexOf('\n') + 1).toString();
  const header = readHeader(line);
  if (header === undefined) throw new ConfigError(`${path} is no backup of ThinMan, or one of a newer version`);
  return { line, header };
}

async function* readParts(path: string, from: number, key: Buffer): AsyncGenerator<BackupPart> {
  const broken = () => new ConfigError(`${path} was changed or cut off on its way here; take another copy of it`);
  let rows = 0;
  let at: 'keys' | 'rows' | 'end' = 'keys';
  try {
    for await (const line of linesOf(path, from, key)) {
      const value: unknown = JSON.parse(line);
      if (at === 'keys') {
        yield { kind: 'keys', keys: expect(BackupKeys, value) };
        at = 'rows';
        continue;
      }
      const page = parseValue(BackupRows, value);
      if (at === 'rows' && page.ok && isCopiedTable(page.value.table)) {
        rows += page.value.rows.length;
        yield { kind: 'rows', table: page.value.table, rows: page.value.rows };
      } else if (at === 'rows' && expect(BackupEnd, value).rows === rows) at = 'end';
      else throw new BackupBroken();
    }
    if (at !== 'end') throw new BackupBroken();
  } catch (error) {
    throw error instanceof BackupBroken ? broken() : error;
  }
}

function expect<S extends typeof BackupKeys | typeof BackupEnd>(schema: S, value: unknown) {
  const parsed = parseValue(schema, value);
  if (!parsed.ok) throw new BackupBroken();
  return parsed.value;
}

/** Not `node:readline`, which ends a line at characters that JSON leaves as they are. */
async function* linesOf(path: string, from: number, key: Buffer): AsyncGenerator<string> {
  const plain = new PassThrough();
  const opening = pipeline(
    createReadStream(path, { start: from }),
    bytes => openChunks(key, bytes),
    createGunzip(),
    plain,
  );
  // Told below, once what came before it has been read.
  opening.catch(error => plain.destroy(error));
  plain.setEncoding('utf8');
  let held: string[] = [];
  for await (const text of plain as AsyncIterable<string>) {
    const [first = '', ...more] = text.split('\n');
    held.push(first);
    for (const next of more) {
      yield held.join('');
      held = [next];
    }
  }
  await opening;
  if (held.join('') !== '') throw new BackupBroken();
}
