// What some suites need of the machine beside Node.js. `npm test` gets it where it may, else says aloud what it leaves out.
import { canTrace } from '../test/support/crash-points.ts';
import { ensureMysql9, ensureMysqlRouter, hasMysql9, hasMysqlRouter } from '../test/support/databases/mysql9-root.ts';
import { canMountDisk } from '../test/support/disk.ts';
import { hasProgram, installPackages } from './debian-packages.ts';
import { ensureSssd, hasSssd } from './sssd-packages.ts';
import type { Totals } from './test-run.ts';

export interface Need {
  readonly name: string;
  /** Paths of the test files that need it. */
  readonly suites: RegExp;
  isMet(): boolean;
  /** How to get it, if there is a way: a Debian package, or a function that says what it does. */
  readonly source?: { readonly debianPackage: string } | (() => void);
  /** Not even CI insists on it. */
  readonly mayBeMissing?: true;
}

export interface LeftOut {
  readonly file: string;
  readonly lacks: readonly Need[];
}

const MARIADB =
  /^test\/(?:.*\/)?databases?\/(?!.*mysql9)|^test\/network\/(?!.*mysql9)|^test\/.*(?:mariadb|galera)|^test\/(?!.*mysql9).*\/(?:half|full)[-.](?!disk)/;
const MYSQL9 = /^test\/.*mysql9/;
const INNODB_CLUSTER = /^test\/mysql9\/innodb-cluster/;
const GALERA = /^test\/.*galera/;
const NETWORK = /^test\/(?:.*\/)?network\/|^test\/bench\/(?:failover|memory-agent|peers)/;
const TRACED = /^test\/system\/(?:killed-at-|promotion|restored-database)/;
const FULL_DISKS = /^test\/(?:system|database)\/(?:full-disk|wrong-files)/;
const UNIX_USERS = /^test\/security\/other-unix-users/;
const CLIENTS = /^test\/clients\/|^test\/system\/greeter-forms/;
/** The helper of pam_exec, and PAM itself. */
const PAM = /^test\/system\/pam\b|^test\/bench\/peers/;
const DIRECTORIES = /^test\/directory\/|^test\/system\/(?:directory-users|damaged-cache)|^test\/bench\/peers/;
const SSSD = /^test\/bench\/peers/;
const ACTIVE_DIRECTORY = /^test\/directory\/.*\bad\b/;
const BROWSER = /^test\/system\/greeter\b/;
/** A TPM of software, and what systemd loads to speak to it. */
const TPM = /^test\/system\/sealed-by-a-tpm/;
const CLOCKS = /^test\/system\/(?:.*clock|directory-users)/;

/** A domain controller in parts: each with a file that it brings. */
const SAMBA_PACKAGES = [
  ['samba', 'samba-tool'],
  ['samba-ad-dc', 'samba'],
  ['samba-ad-provision', '/usr/share/samba/setup'],
  ['samba-dsdb-modules', '/usr/share/doc/samba-dsdb-modules'],
  ['samba-vfs-modules', '/usr/share/doc/samba-vfs-modules'],
  ['python3-samba', '/usr/share/doc/python3-samba'],
  ['python3-markdown', '/usr/share/doc/python3-markdown'],
  ['python3-dnspython', '/usr/share/doc/python3-dnspython'],
  ['winbind', 'winbindd'],
  ['ldb-tools', 'ldbmodify'],
] as const;

/** Add a line when a suite needs more of the machine. Where `program` is, its package counts as installed, on any system. */
export const NEEDS: readonly Need[] = [
  debian('util-linux', 'setpriv', any(MARIADB, MYSQL9, GALERA, NETWORK, DIRECTORIES, TPM)),
  debian('mariadb-server', 'mariadbd', MARIADB),
  debian('mariadb-client', 'mysql', /^test\/.*operations\.mysql9/),
  debian('openssl', 'openssl', any(MARIADB, MYSQL9, DIRECTORIES)),
  debian('slapd', 'slapd', DIRECTORIES),
  debian('ldap-utils', 'ldapmodify', DIRECTORIES),
  ...SAMBA_PACKAGES.map(([name, file]) => debian(name, file, ACTIVE_DIRECTORY)),
  debian('galera-4', '/usr/lib/galera/libgalera_smm.so', GALERA),
  debian('haproxy', 'haproxy', GALERA),
  debian('rsync', 'rsync', GALERA),
  debian('lsof', 'lsof', GALERA),
  debian('iproute2', 'ip', any(NETWORK, ACTIVE_DIRECTORY)),
  debian('nftables', 'nft', NETWORK),
  debian('xvfb', 'Xvfb', CLIENTS),
  debian('x11-apps', 'xwd', CLIENTS),
  debian('x11-utils', 'xprop', CLIENTS),
  debian('freerdp2-x11', 'xfreerdp', CLIENTS),
  debian('freerdp2-shadow-x11', 'freerdp-shadow-cli', CLIENTS),
  debian('winpr-utils', 'winpr-hash', CLIENTS),
  debian('openssh-server', 'sshd', CLIENTS),
  debian('openssh-client', 'ssh', CLIENTS),
  debian('xterm', 'xterm', CLIENTS),
  debian('socat', 'socat', any(NETWORK, ACTIVE_DIRECTORY)),
  debian('faketime', 'faketime', CLOCKS),
  debian('strace', 'strace', TRACED),
  debian('pamtester', 'pamtester', PAM),
  debian('libnss-systemd', '/usr/lib/x86_64-linux-gnu/libnss_systemd.so.2', PAM),
  debian('systemd', 'systemd-creds', TPM),
  debian('swtpm', 'swtpm', TPM),
  debian('libtss2-esys-3.0.2-0', '/usr/share/doc/libtss2-esys-3.0.2-0', TPM),
  debian('libtss2-rc0', '/usr/share/doc/libtss2-rc0', TPM),
  debian('libtss2-tcti-swtpm0', '/usr/share/doc/libtss2-tcti-swtpm0', TPM),
  { name: 'SSSD', suites: SSSD, isMet: hasSssd, source: ensureSssd },
  { name: 'root', suites: any(NETWORK, UNIX_USERS, PAM, ACTIVE_DIRECTORY), isMet: () => process.getuid?.() === 0 },
  debian('chromium', 'chromium', any(BROWSER, CLIENTS)),
  { name: 'leave to look into processes (root, ptrace)', suites: TRACED, isMet: canTrace },
  { name: 'a disk of its own (root, mkfs.ext4, a loop device)', suites: FULL_DISKS, isMet: canMountDisk },
  // Out of a distribution that moves: on some days it cannot be had.
  { name: 'MySQL 9', suites: MYSQL9, isMet: hasMysql9, source: ensureMysql9, mayBeMissing: true },
  {
    name: 'MySQL Router 9',
    suites: INNODB_CLUSTER,
    isMet: hasMysqlRouter,
    source: ensureMysqlRouter,
    mayBeMissing: true,
  },
];

function any(...suites: readonly RegExp[]): RegExp {
  return new RegExp(suites.map(({ source }) => source).join('|'));
}

function debian(debianPackage: string, program: string, suites: RegExp): Need {
  const name = `the Debian package ${debianPackage}`;
  return { name, suites, isMet: () => hasProgram(program), source: { debianPackage } };
}

/** The files that cannot run here, each with what it lacks. */
export function leftOut(files: readonly string[], needs: readonly Need[] = NEEDS): readonly LeftOut[] {
  const asked = needs.filter(need => files.some(file => need.suites.test(file)));
  const missing = asked.filter(need => !need.isMet());
  return files
    .map(file => ({ file, lacks: missing.filter(need => need.suites.test(file)) }))
    .filter(({ lacks }) => lacks.length > 0);
}

/** Gets what the files lack, as far as that is possible here. */
export function provide(files: readonly string[]): void {
  const lacks = [...new Set(leftOut(files).flatMap(lack => lack.lacks))];
  const packages = lacks.flatMap(({ source }) => (typeof source === 'object' ? [source.debianPackage] : []));
  if (packages.length > 0) installPackages(packages);
  for (const { source } of lacks) if (typeof source === 'function') source();
}

/** How a file that could not run counts: in CI as failed, unless it lacks only what may be missing there. */
export function countLeftOut(absent: readonly LeftOut[], isCi: boolean): Totals {
  const failed = absent.filter(({ lacks }) => isCi && !lacks.every(need => need.mayBeMissing)).length;
  return { passed: 0, failed, skipped: absent.length - failed };
}

/** How tests that found out for themselves that they cannot run here count: in CI as failed. Nothing there is left undone unseen. */
export function countSkipped({ passed, failed, skipped }: Totals, isCi: boolean): Totals {
  return isCi ? { passed, failed: failed + skipped, skipped: 0 } : { passed, failed, skipped };
}
