// What some suites need from Debian. `npm test` installs it where it may, else says aloud what it leaves out.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface DebianNeed {
  readonly package: string;
  /** A program of the package; where it is, the package counts as installed, on any system. */
  readonly program: string;
  /** Paths of test files begin with one of these. */
  readonly suites: readonly string[];
}

/** Add a line when a suite needs more of the machine than Node.js. */
export const DEBIAN_NEEDS: readonly DebianNeed[] = [
  { package: 'iproute2', program: 'ip', suites: ['test/system/network'] },
];

export interface LeftOut {
  readonly file: string;
  readonly packages: readonly string[];
}

/** The files that cannot run here, each with the packages that it lacks. */
export function leftOut(
  files: readonly string[],
  needs: readonly DebianNeed[] = DEBIAN_NEEDS,
  isInstalled: (program: string) => boolean = hasProgram,
): readonly LeftOut[] {
  const missing = needs.filter(need => !isInstalled(need.program));
  return files
    .map(file => ({
      file,
      packages: missing.filter(need => need.suites.some(suite => file.startsWith(suite))).map(need => need.package),
    }))
    .filter(({ packages }) => packages.length > 0);
}

/** Installs Debian packages if this is Debian and root; false if it may not or the installation failed. */
export function installPackages(packages: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) return false;
  console.log(`Installing Debian packages for the tests: ${packages.join(' ')}`);
  return aptGet('update') && aptGet('install', '--yes', '--no-install-recommends', ...packages);
}

function aptGet(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Waits for another apt instead of failing on its lock. Ten minutes: on a slow line packages take minutes.
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=600'];
  return spawnSync('apt-get', [...options, ...args], { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
}

/** Packages put servers into sbin, which is not on everyone's PATH. */
function hasProgram(program: string): boolean {
  return [...(process.env.PATH ?? '').split(':'), '/usr/bin', '/usr/sbin', '/sbin'].some(dir =>
    existsSync(join(dir, program)),
  );
}
