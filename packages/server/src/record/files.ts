import { hash as digestOf } from 'node:crypto';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';

/** One row of a file: some 90 kB as text, so that a page of a walk (200 rows) stays below 20 MB. */
export const FILE_CHUNK_BYTES = 64 * 1024;
/** Rows of one INSERT: together below a megabyte. */
const CHUNKS_PER_INSERT = 8;
/** From here on there is a table of files: a newer build reads an older schema without it. */
const FILES_SINCE_SCHEMA = 2;

export const fileHash = (bytes: Uint8Array) => digestOf('sha256', bytes, 'hex');

/** Within a transaction. What is there already is not written again: it is the same. What has gone bad there is. */
export async function putFileIn(db: RecordDb, bytes: Uint8Array): Promise<string> {
  const hash = fileHash(bytes);
  if (await hasFileIn(db, hash)) return hash;
  await removeFilesIn(db, [hash]);
  // An empty file has one empty part: its row says that it is there.
  const parts = Math.max(1, Math.ceil(bytes.length / FILE_CHUNK_BYTES));
  for (let from = 0; from < parts; from += CHUNKS_PER_INSERT) {
    const rows = Array.from({ length: Math.min(CHUNKS_PER_INSERT, parts - from) }, (_, at) => {
      const part = from + at;
      const data = Buffer.from(bytes.subarray(part * FILE_CHUNK_BYTES, (part + 1) * FILE_CHUNK_BYTES));
      return { hash, part, data: data.toString('base64') };
    });
    await db.insertInto('file_chunks').values(rows).execute();
  }
  return hash;
}

/** The whole of it, checked: a content that was altered in the database counts as none, and can be put anew. */
export async function hasFileIn(db: RecordDb, hash: string): Promise<boolean> {
  return (await contentIn(db, hash)) !== undefined;
}

async function contentIn(db: RecordDb, hash: string): Promise<Uint8Array | undefined> {
  const rows = await db.selectFrom('file_chunks').select('data').where('hash', '=', hash).orderBy('part').execute();
  if (rows.length === 0) return undefined;
  const bytes = Buffer.concat(rows.map(({ data }) => Buffer.from(data, 'base64')));
  return fileHash(bytes) === hash ? bytes : undefined;
}

/** The whole content, checked; undefined: it is not there, altered, or (on a Slave that is behind) not all of it. */
export function readFile(dialect: RecordDialect, hash: string): Promise<Uint8Array | undefined> {
  return dialect.snapshot(async db => {
    return (await hasTable(db)) ? contentIn(db, hash) : undefined;
  });
}

/** Hashes of all contents. */
export async function listFilesIn(db: RecordDb): Promise<readonly string[]> {
  const rows = await db.selectFrom('file_chunks').select('hash').where('part', '=', 0).orderBy('hash').execute();
  return rows.map(({ hash }) => hash);
}

export async function removeFilesIn(db: RecordDb, hashes: readonly string[]): Promise<void> {
  for (const hash of hashes) await db.deleteFrom('file_chunks').where('hash', '=', hash).execute();
}

async function hasTable(db: RecordDb): Promise<boolean> {
  const site = await db.selectFrom('site').select('schema').executeTakeFirst();
  return (site?.schema ?? 0) >= FILES_SINCE_SCHEMA;
}
