// A bare Debian host, as far as docs/operations.md goes: a network namespace, and a file system that has the machine's programs, and
// everything else for itself.
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DatabaseKind } from './databases/database-server.ts';
import { MYSQL9_ROOT } from './databases/mysql9-root.ts';
import type { Host } from './network/network.ts';
import { runProgram } from './programs.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');
/** Copied to each host from where it was built. */
const UNIT = join(REPOSITORY, 'examples', 'systemd', 'thinman-server.service');
/** What it shares with the machine, and thereby with the other hosts. */
const SHARED = ['/usr', '/proc', '/dev', REPOSITORY];
/** Of Debian since version 12. */
const LINKS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
/** `scp` finds the other hosts here: there is no SSH between them. */
const OTHERS = '/test/hosts';
const TOOLS = '/test/bin';
/** A mount stays in the namespace that `ip netns exec` makes for each command, and ends with it. */
const ENTER = `cd "$0"; for each in MOUNTS; do mount --rbind "$each" ".$each"; done
mount --bind .. .${OTHERS}; exec chroot . "$@"`;

/** Programs that a document uses, and what they do where there is neither Internet nor SSH. */
const STAND_INS: Readonly<Record<string, string>> = {
  'apt-get': 'exit 0',
  // npm install --prefix FOLDER PACKAGE...
  npm: `[ "$1 $2" = "install --prefix" ] && mkdir -p "$3" && ln -sfn ${REPOSITORY}/node_modules "$3/node_modules"`,
  // scp FILE... root@HOST.example:[PATH]
  scp: `to="\${@: -1}"; host="\${to#root@}"; path="\${to#*:}"
cp -- "\${@:1:$#-1}" "${OTHERS}/\${host%%.*}\${path:-$HOME/}"`,
};

export type DocumentHost = {
  readonly name: string;
  /** Its file system, as this process sees it. */
  readonly root: string;
  /** `inside` of what starts processes here. */
  readonly command: readonly string[];
  /** An empty disk, but for Debian. */
  install(): Promise<void>;
};

/** `folder`: of all hosts. `names`: `a.example` is the host `a`, for all of them. */
export function documentHost(host: Host, folder: string, kind: DatabaseKind, names: string): DocumentHost {
  const root = join(folder, host.name);
  const mounts = kind === 'mysql' ? [...SHARED, MYSQL9_ROOT] : SHARED;
  return {
    name: host.name,
    root,
    command: [...host.command, 'bash', '-euc', ENTER.replace('MOUNTS', mounts.join(' ')), root],
    async install() {
      rmSync(root, { recursive: true, force: true });
      for (const path of [
        ...mounts,
        OTHERS,
        TOOLS,
        '/etc',
        '/opt',
        '/root',
        '/run',
        '/etc/systemd/system',
        '/var/lib',
        '/var/backups',
      ]) {
        mkdirSync(join(root, path), { recursive: true });
      }
      mkdirSync(join(root, 'tmp'), { recursive: true });
      await runProgram('chmod', '1777', join(root, 'tmp'));
      for (const link of LINKS) symlinkSync(join('usr', link), join(root, link));
      await runProgram('cp', '--archive', '/etc/.', join(root, 'etc'));
      writeFileSync(join(root, 'etc', 'hosts'), names);
      writeFileSync(join(root, 'etc', 'profile.d', '00-stand-ins.sh'), `PATH=${TOOLS}:$PATH\n`);
      cpSync(UNIT, join(root, 'root', basename(UNIT)));
      for (const [name, script] of Object.entries(STAND_INS)) {
        writeFileSync(join(root, TOOLS, name), `#!/bin/bash\nset -eu\n${script}\n`, { mode: 0o755 });
      }
    },
  };
}
