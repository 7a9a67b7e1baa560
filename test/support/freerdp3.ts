// FreeRDP 3 beside the machine's own FreeRDP 2: out of Debian's unstable distribution, unpacked into a folder (some 300 MB, kept for the
// next run) and run there with its own libraries. Nothing is installed.
import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downloadPackages } from './databases/sid-packages.ts';

const execute = promisify(execFile);

const ROOT = process.env.THINMAN_FREERDP3_ROOT ?? join(tmpdir(), 'thinman-freerdp3-root');
const PROGRAM = 'usr/bin/xfreerdp3';

const has = () => existsSync(join(ROOT, PROGRAM)) && [0, process.getuid?.()].includes(statSync(ROOT).uid);

/** A command that runs FreeRDP 3, arguments to follow; a text: why it cannot be had here. */
export async function freeRdp3(): Promise<readonly string[] | string> {
  try {
    if (!has()) await unpack();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return `!!! NOT RUN: FreeRDP 3 cannot be had here (${words.split('\n')[0]})`;
  }
  const folder = `usr/lib/${machine()}-linux-gnu`;
  const libraries = [folder, `${folder}/pulseaudio`].map(each => join(ROOT, each));
  const [loader = ''] = [
    'lib64/ld-linux-x86-64.so.2',
    'usr/lib64/ld-linux-x86-64.so.2',
    'lib/ld-linux-aarch64.so.1',
    'usr/lib/ld-linux-aarch64.so.1',
  ]
    .map(path => join(ROOT, path))
    .filter(path => existsSync(path));
  return [loader, '--library-path', libraries.join(':'), join(ROOT, PROGRAM)];
}

const machine = () => (process.arch === 'arm64' ? 'aarch64' : 'x86_64');

async function unpack(): Promise<void> {
  await mkdir(tmpdir(), { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), 'thinman-freerdp3-'));
  try {
    const root = join(folder, 'root');
    await mkdir(root);
    for (const file of await downloadPackages('freerdp3-x11', folder)) await execute('dpkg-deb', ['-x', file, root]);
    await rm(ROOT, { recursive: true, force: true });
    await rename(root, ROOT);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
