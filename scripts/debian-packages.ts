// What Debian packages put on a machine, and how to get them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** Installs Debian packages if this is Debian and root; false if it may not or the installation failed. */
export function installPackages(packages: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) return false;
  // Not on stdout: that may be for a program to read.
  console.error(`Installing Debian packages: ${packages.join(' ')}`);
  return aptGet('update') && aptGet('install', '--yes', '--no-install-recommends', ...packages);
}

function aptGet(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Waits for another apt instead of failing on its lock. Ten minutes: on a slow line packages take minutes.
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=600'];
  return spawnSync('apt-get', [...options, ...args], { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
}

/** Is there a program of this name, or the file of this path? Packages put servers into sbin, which is not on everyone's PATH. */
export function hasProgram(program: string): boolean {
  return [...(process.env.PATH ?? '').split(':'), '/usr/bin', '/usr/sbin', '/sbin'].some(dir =>
    existsSync(resolve(dir, program)),
  );
}
