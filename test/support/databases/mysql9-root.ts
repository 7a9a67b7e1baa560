// Real MySQL 9 beside whatever the machine has: Debian's unstable distribution has it, Debian's stable one has not. Its packages
// and all that they need are unpacked into a folder; `mysql9.ts` runs them there with their own C library. Nothing is installed,
// and nobody needs to be root.
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

const DISTRIBUTION = 'sid';
const PACKAGE = 'mysql-server-core';
/** From the package debian-archive-keyring, which is on every Debian. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where it is kept, for all tests and processes: 330 MB, 60 of them downloaded. */
export const MYSQL9_ROOT = process.env.THINMAN_MYSQL9_ROOT ?? join(tmpdir(), 'thinman-mysql9-root');

/** Is it there, and this user's or root's own? What others put among the temporary files is not run. */
export function hasMysql9(): boolean {
  if (!existsSync(join(MYSQL9_ROOT, 'usr/sbin/mysqld'))) return false;
  return [0, process.getuid?.()].includes(statSync(MYSQL9_ROOT).uid);
}

/** The command of a program in it: run by its own loader, with its own libraries. */
export function mysql9Command(program: 'mysqld', root = MYSQL9_ROOT): readonly [string, ...string[]] {
  const [loader] = globSync(join(root, 'usr/lib/*/ld-linux*.so.*'));
  if (loader === undefined) throw new Error(`no MySQL 9 in ${root}`);
  const libraries = [join(loader, '..'), join(root, 'usr/lib/mysql/private')].join(':');
  return [loader, '--library-path', libraries, join(root, 'usr/sbin', program)];
}

/** Fetches it if it is not there; false, after saying why, if it cannot be had. Of several that ask at once one fetches. */
export function ensureMysql9(): boolean {
  if (!hasMysql9()) {
    const script = join(import.meta.dirname, '../../../scripts/prepare-mysql9.ts');
    spawnSync('flock', [`${MYSQL9_ROOT}.lock`, process.execPath, script], { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  return hasMysql9();
}

/** Downloads and unpacks it, from the mirrors that this machine's apt has. Throws if it cannot be had, or does not run. */
export async function downloadMysql9(): Promise<void> {
  const unfinished = await mkdtemp(`${MYSQL9_ROOT}-`);
  try {
    const root = join(unfinished, 'root');
    await mkdir(root);
    for (const file of await downloadPackages(join(unfinished, 'apt'))) await execute('dpkg-deb', ['-x', file, root]);
    const [loader, ...args] = mysql9Command('mysqld', root);
    await execute(loader, [...args, '--version']);
    await rm(MYSQL9_ROOT, { recursive: true, force: true });
    await rename(root, MYSQL9_ROOT);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** The files of the package and of everything that it needs, by an apt that knows this one distribution. */
async function downloadPackages(folder: string): Promise<readonly string[]> {
  await mkdir(join(folder, 'lists/partial'), { recursive: true });
  await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
  const configuration = join(folder, 'apt.conf');
  const sources = join(folder, 'sources.list');
  const settings = {
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '-',
    'APT::Sandbox::User': '',
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  };
  const mirrors = await debianMirrors();
  await writeFile(
    configuration,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  );
  const aptGet = (...args: string[]) =>
    execute('apt-get', ['-qq', ...args], { env: { ...process.env, APT_CONFIG: configuration } });

  const failures: unknown[] = [];
  for (const mirror of mirrors) {
    await writeFile(sources, `deb [signed-by=${KEYRING}] ${mirror} ${DISTRIBUTION} main\n`);
    try {
      await aptGet('update');
      await aptGet('install', '--download-only', '--yes', '--no-install-recommends', PACKAGE);
      return globSync(join(folder, 'cache/archives/*.deb'));
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `no mirror of this machine's apt has ${PACKAGE} of ${DISTRIBUTION}`);
}

async function debianMirrors(): Promise<readonly string[]> {
  const { stdout } = await execute('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  return [...new Set(stdout.split('\n').filter(line => line !== ''))];
}
