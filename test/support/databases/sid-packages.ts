// Packages of Debian's unstable distribution, on a machine of whichever distribution.
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

const DISTRIBUTION = 'sid';
/** From the package debian-archive-keyring, which is on every Debian. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The files of the package and of everything that it needs, by an apt that knows this one distribution. */
export async function downloadPackages(name: string, folder: string): Promise<readonly string[]> {
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
      await aptGet('install', '--download-only', '--yes', '--no-install-recommends', name);
      return globSync(join(folder, 'cache/archives/*.deb'));
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `no mirror of this machine's apt has ${name} of ${DISTRIBUTION}`);
}

async function debianMirrors(): Promise<readonly string[]> {
  const { stdout } = await execute('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  return [...new Set(stdout.split('\n').filter(line => line !== ''))];
}
