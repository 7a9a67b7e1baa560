// Builds that are broken on purpose: a nemesis that finds nothing in one of them looks at nothing.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Edit = {
  /** Of a package's `dist`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
};

/** On one file for both servers nobody lags, so that nothing older is ever offered. */
export const NEEDS_REPLICATION: readonly string[] = ['a bundle that goes back'];

/** What is broken, and how. */
export const BROKEN_BUILDS: Readonly<Record<string, readonly Edit[]>> = {
  'a lost event': [
    {
      file: 'server/dist/journal/drain.js',
      from: '(await deliver(batch))',
      to: "(await deliver(batch.filter(({ id }) => !id.endsWith('7'))))",
    },
  ],
  'a grant after a tombstone': [
    {
      file: 'agent/dist/core/offline-login.js',
      from: 'finalAnswerSeen || tombstone !== undefined',
      to: 'finalAnswerSeen',
    },
  ],
  'a bundle that goes back': [
    { file: 'agent/dist/core/held.js', from: 'return !isOlder(offered, held);', to: 'return true;' },
    { file: 'agent/dist/core/held.js', from: 'newest: newestVersion(held.newest, version)', to: 'newest: version' },
  ],
  'a write accepted on a Secondary': [
    {
      file: 'server/dist/admin-plane/commit.js',
      from: 'const isNamed = site.primaryInstance === deps.identity.instance;',
      to: 'const isNamed = true;',
    },
    {
      file: 'server/dist/admin-plane/commit.js',
      from: 'instance: deps.identity.instance,',
      to: 'instance: deps.replica.site().primaryInstance,',
    },
    {
      file: 'server/dist/runtime/stores.js',
      from: 'openRecord(options.database(), readOnly)',
      to: 'openRecord(options.database(), false)',
    },
  ],
  'an event twice': [
    {
      file: 'server/dist/device-plane/event-intake.js',
      from: 'await journal.append({ events: recorded });',
      to: "await journal.append({ events: recorded.flatMap(event => event.type === 'login' && event.id.endsWith('7') ? [event, { ...event, id: crypto.randomUUID() }] : [event]) });",
    },
  ],
};

const ROOT = join(import.meta.dirname, '..', '..');

/** Copies what `npm run build` has made into `folder`, with these edits. Gives the folder of its packages. */
export function breakBuild(folder: string, edits: readonly Edit[]): string {
  const packages = join(folder, 'packages');
  for (const name of ['protocol', 'agent', 'server']) {
    const from = join(ROOT, 'packages', name);
    cpSync(from, join(packages, name), {
      recursive: true,
      filter: path => !/\/(?:src|bundle|node_modules)$/.test(path),
    });
  }
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@thinman'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.') && name !== '@thinman')
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const name of ['protocol', 'agent', 'server'])
    symlinkSync(join(packages, name), join(modules, '@thinman', name));
  for (const { file, from, to } of edits) {
    const path = join(packages, file);
    const text = readFileSync(path, 'utf8');
    if (!text.includes(from)) throw new Error(`${file} has changed: "${from}" is not there`);
    // A link to the original must not be written through.
    rmSync(path);
    writeFileSync(path, text.replace(from, to));
  }
  return packages;
}
