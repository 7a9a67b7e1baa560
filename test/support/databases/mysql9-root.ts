// Real MySQL 9 beside whatever the machine has: Debian's unstable distribution has it, Debian's stable one has not. Its packages
// and all that they need are unpacked into a folder; `mysql9.ts` runs them there with their own C library. Nothing is installed,
// and nobody needs to be root.
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downloadPackages } from './sid-packages.ts';

const execute = promisify(execFile);

/** Where it is kept, for all tests and processes: 330 MB, 60 of them downloaded. */
export const MYSQL9_ROOT = process.env.THINMAN_MYSQL9_ROOT ?? join(tmpdir(), 'thinman-mysql9-root');

/** What is fetched, each into a root of its own: one that came later is not missing in what was unpacked before. */
const FETCHED = {
  server: {
    called: 'MySQL 9',
    package: 'mysql-server-core',
    root: MYSQL9_ROOT,
    program: 'usr/sbin/mysqld',
    libraries: ['usr/lib/mysql/private'],
  },
  /** 70 MB, 24 of them downloaded. */
  router: {
    called: 'MySQL Router 9',
    package: 'mysql-router',
    root: `${MYSQL9_ROOT}-router`,
    program: 'usr/bin/mysqlrouter',
    libraries: ['usr/lib/mysql-router', 'usr/lib/mysql-router/private'],
  },
} as const;
export type Mysql9Part = keyof typeof FETCHED;

export const MYSQL9_PARTS = Object.keys(FETCHED) as readonly Mysql9Part[];
export const MYSQL_ROUTER_PLUGINS = join(FETCHED.router.root, 'usr/lib/mysqlrouter/plugin');

/** Is it there, and this user's or root's own? What others put among the temporary files is not run. */
function has(part: Mysql9Part): boolean {
  const { root, program } = FETCHED[part];
  if (!existsSync(join(root, program))) return false;
  return [0, process.getuid?.()].includes(statSync(root).uid);
}

/** Fetches it if it is not there; false, after saying why, if it cannot be had. Of several that ask at once one fetches. */
function ensure(part: Mysql9Part): boolean {
  if (!has(part)) {
    const script = join(import.meta.dirname, '../../../scripts/prepare-mysql9.ts');
    const command = [`${FETCHED[part].root}.lock`, process.execPath, script, part];
    spawnSync('flock', command, { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  return has(part);
}

/** Run by its own loader, with its own libraries. */
function command(part: Mysql9Part, root: string = FETCHED[part].root): readonly [string, ...string[]] {
  const { called, libraries, program } = FETCHED[part];
  const [loader] = globSync(join(root, 'usr/lib/*/ld-linux*.so.*'));
  if (loader === undefined) throw new Error(`no ${called} in ${root}`);
  const folders = [join(loader, '..'), ...libraries.map(folder => join(root, folder))].join(':');
  return [loader, '--library-path', folders, join(root, program)];
}

export const hasMysql9 = () => has('server');
export const ensureMysql9 = () => ensure('server');
export const mysql9Command = () => command('server');

export const hasMysqlRouter = () => has('router');
export const ensureMysqlRouter = () => ensure('router');
export const mysqlRouterCommand = () => command('router');

/** Fetches a part if it is not there. Throws if it cannot be had, or does not run. */
export async function prepareMysql9Part(part: Mysql9Part): Promise<void> {
  if (has(part)) return;
  const { called, root } = FETCHED[part];
  console.log(`Fetching ${called} for the tests into ${root}`);
  await download(part);
}

/** Downloads and unpacks it, from the mirrors that this machine's apt has. */
async function download(part: Mysql9Part): Promise<void> {
  const place = FETCHED[part];
  const unfinished = await mkdtemp(`${place.root}-`);
  try {
    const root = join(unfinished, 'root');
    await mkdir(root);
    for (const file of await downloadPackages(place.package, join(unfinished, 'apt')))
      await execute('dpkg-deb', ['-x', file, root]);
    const [loader, ...args] = command(part, root);
    await execute(loader, [...args, '--version']);
    await rm(place.root, { recursive: true, force: true });
    await rename(root, place.root);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
