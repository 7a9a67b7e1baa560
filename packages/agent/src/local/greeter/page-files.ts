import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LANGUAGES } from '../words/words.ts';

const TYPES = {
  'index.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'parts.js': 'text/javascript; charset=utf-8',
  'change.js': 'text/javascript; charset=utf-8',
  'tiles.js': 'text/javascript; charset=utf-8',
  'lock.js': 'text/javascript; charset=utf-8',
  'emergency.js': 'text/javascript; charset=utf-8',
} as const;

export type PageFile = { readonly type: string; readonly content: Buffer };

/** What the page is made of, by its path. Read once: a file that is changed on the disk changes nothing. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const folder = join(packageFolder(), 'greeter');
  const files = Object.entries(TYPES).map(([name, type]): [string, PageFile] => [
    name === 'index.html' ? '/' : `/${name}`,
    { type, content: readFileSync(join(folder, name)) },
  ]);
  const words = Buffer.from(JSON.stringify(LANGUAGES));
  return new Map([...files, ['/words.json', { type: 'application/json', content: words }]]);
}

/** Of this package, whether its sources run, what was compiled of them, or the one file of a command. */
function packageFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    if (dirname(folder) === folder) throw new Error('the package of the agent is not whole: install it again');
    folder = dirname(folder);
  }
  return folder;
}
