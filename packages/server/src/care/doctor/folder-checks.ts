import { readdirSync, statfsSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { JOURNAL_RESERVE_BYTES } from '@thinman/protocol';
import type { DataFolder } from '../../config.ts';
import { identityFolder } from '../../identity/identity-files.ts';
import { type Check, fail, ok, warn } from './check.ts';

const BYTES_PER_MIB = 2 ** 20;
/** Less, and the journal lives on its reserve soon. */
const FREE_FAIL_BYTES = 64 * BYTES_PER_MIB;
/** A journal at its limit, a draft of a large replica, and their logs. */
const FREE_WARN_BYTES = 1024 * BYTES_PER_MIB;

const FOR_OTHERS = 0o077;
/** The CA's certificate is for everybody. */
const PUBLIC: readonly string[] = ['ca.crt'];

/** Whose the data folder is, and how full its disk. */
export function checkFolder(folder: DataFolder): readonly Check[] {
  return [permissions(folder), disk(folder), reserve(folder)];
}

function permissions({ path }: DataFolder): Check {
  const owner = statSync(path).uid;
  const entries = [path, ...below(path), ...below(identityFolder(path))];
  const named = (list: readonly string[]) => list.map(entry => relative(path, entry) || path).join(', ');
  const open = entries.filter(entry => (statSync(entry).mode & FOR_OTHERS) !== 0);
  if (open.length > 0) {
    return fail('data folder', `others may read ${named(open)}`, `chmod -R go= ${path}`);
  }
  const foreign = entries.filter(entry => statSync(entry).uid !== owner);
  if (foreign.length > 0) {
    return fail('data folder', `${named(foreign)} is of another user than the folder`, `chown -R ${owner} ${path}`);
  }
  return ok('data folder', `${path} is its owner's alone`);
}

function below(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter(entry => entry.isFile() && !PUBLIC.includes(entry.name))
    .map(entry => join(path, entry.name));
}

function disk({ path }: DataFolder): Check {
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  const found = `${Math.floor(free / BYTES_PER_MIB)} MiB free`;
  const advice = 'make room on the disk of the data folder';
  if (free < FREE_FAIL_BYTES) return fail('disk', found, advice);
  return free < FREE_WARN_BYTES ? warn('disk', found, advice) : ok('disk', found);
}

function reserve({ journalReserve }: DataFolder): Check {
  const bytes = statSync(journalReserve, { throwIfNoEntry: false })?.size ?? 0;
  const found = `${Math.floor(bytes / BYTES_PER_MIB)} MiB kept for the journal on a full disk`;
  if (bytes >= JOURNAL_RESERVE_BYTES) return ok('journal reserve', found);
  return warn('journal reserve', found, 'make room: the running server makes it again by itself');
}
