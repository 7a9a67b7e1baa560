// A newer build of the server: what was compiled, with the next version, the next schema and the next format of the journal,
// and a migration to each. The product knows nothing of it.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { SCHEMA } from '../../packages/server/src/record/schema.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SERVER = join(ROOT, 'packages', 'server');
const COMMANDS = ['thinman-server', 'thinman'] as const;

export const THIS_RELEASE = { schema: SCHEMA, version: versionOf(SERVER) } as const;
export const NEXT_RELEASE = { schema: SCHEMA + 1, version: '99.0.0' } as const;

const JOURNAL_STEP =
  'CREATE TABLE remarks (id INTEGER PRIMARY KEY) STRICT; ALTER TABLE entries ADD COLUMN remark TEXT; ALTER TABLE logins ADD COLUMN remark TEXT;';

/**
 * Puts two installations into `folder`, as `npm install --prefix` leaves them: `this` and `next`. Their commands are in
 * `node_modules/.bin` of each.
 */
export function installReleases(folder: string): void {
  linkCommands(join(folder, 'this'), SERVER);
  const next = join(folder, 'next');
  const server = join(next, 'server');
  // The bundle holds everything a second time.
  cpSync(SERVER, server, { recursive: true, filter: path => !/\/(src|console|dist\/bundle)$/.test(path) });
  linkCommands(next, server);
  symlinkSync(join(ROOT, 'node_modules'), join(server, 'node_modules'));
  makeNext(server);
}

function linkCommands(installation: string, server: string): void {
  const commands = join(installation, 'node_modules', '.bin');
  mkdirSync(commands, { recursive: true });
  for (const command of COMMANDS) symlinkSync(join(server, 'bin', `${command}.js`), join(commands, command));
}

function makeNext(server: string): void {
  const { schema, version } = NEXT_RELEASE;
  change(join(server, 'package.json'), /"version": "[^"]+"/, `"version": "${version}"`);
  const record = join(server, 'dist', 'record');
  change(join(record, 'schema.js'), /export const SCHEMA = \d+;/, `export const SCHEMA = ${schema};`);
  change(
    join(server, 'dist', 'journal', 'tables.js'),
    /const STEPS = \[(.*)\];/,
    `const STEPS = [$1, '${JOURNAL_STEP}'];`,
  );
  const migration = readFileSync(join(import.meta.dirname, 'next-release-migration.ts'), 'utf8');
  writeFileSync(join(record, 'migrations', 'next.js'), stripTypeScriptTypes(migration));
  change(
    join(record, 'migrations', 'index.js'),
    /export const MIGRATIONS = \[(.*)\];/,
    `import { up } from './next.js';\nexport const MIGRATIONS = [$1, { number: ${schema}, up }];`,
  );
}

/** Once, or the source has changed and this must. */
function change(file: string, what: RegExp, into: string): void {
  const text = readFileSync(file, 'utf8');
  assert.equal(text.match(new RegExp(what, 'g'))?.length, 1, `${what} in ${file}`);
  writeFileSync(file, text.replace(what, into));
}

function versionOf(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string };
  return version;
}
