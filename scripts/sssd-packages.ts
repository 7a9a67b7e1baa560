// SSSD to measure beside (test/bench/peers.ts). Its packages put it into PAM and NSS of the machine; nobody asked for that.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { hasProgram, installPackages } from './debian-packages.ts';

const NAMES = '/etc/nsswitch.conf';
const PACKAGES = ['sssd-ldap', 'libpam-sss', 'libnss-sss'] as const;

export const hasSssd = (): boolean => PACKAGES.every(name => hasProgram(`/usr/share/doc/${name}`));

/** Installs it, and takes it out of /etc/pam.d and /etc/nsswitch.conf again. Where it was before, nothing is changed. */
export function ensureSssd(): void {
  const names = readFileSync(NAMES);
  if (!installPackages(PACKAGES)) return;
  writeFileSync(NAMES, names);
  spawnSync('pam-auth-update', ['--package', '--disable', 'sss'], { stdio: 'ignore' });
}
