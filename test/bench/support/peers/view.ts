import type { Running } from '../../../support/processes.ts';
import { startProgram } from '../../../support/programs.ts';

/** This machine with some files and folders in the place of others, for those alone who are started `inside` of it. */
export type View = AsyncDisposable & { readonly command: readonly string[] };

export type ViewOptions = {
  readonly name: string;
  readonly logs: string;
  /** What is seen at each path of the machine; the path is there. */
  readonly seen: Readonly<Record<string, string>>;
};

/** `/run` is empty but for the folder of user records: no daemon of the machine is met. Slave mounts: what is unmounted outside goes here too. */
const SCRIPT = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/userdb
while [ $# -gt 0 ]; do mount --bind "$2" "$1"; shift 2; done
echo READY
exec sleep infinity`;

/** A mount namespace, held by a process that ends with this one. Needs Linux and root; leaves nothing. */
export async function createView({ name, logs, seen }: ViewOptions): Promise<View> {
  const pairs = Object.entries(seen).flat();
  const holder: Running = startProgram({
    ...{ name, logs },
    command: ['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', SCRIPT, 'sh', ...pairs],
  });
  await holder.waitForLine(/^READY$/);
  return {
    command: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, '--'],
    [Symbol.asyncDispose]: async () => void (await holder.kill()),
  };
}
