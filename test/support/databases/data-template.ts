import { cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Fills `target` with a fresh data folder. Making one takes seconds, copying it a tenth: it is made once, kept among the
 * temporary files under `key` (which names the version and whatever else it depends on), and copied from there.
 */
export async function copyTemplate(key: string, target: string, make: (folder: string) => Promise<void>) {
  const template = join(tmpdir(), `thinman-template-${process.getuid?.() ?? 'any'}-${key.replaceAll(/[^\w.-]/g, '_')}`);
  if (!(await isFolder(template))) await makeOnce(template, make);
  await mkdir(target, { recursive: true });
  await cp(template, target, { recursive: true, preserveTimestamps: true });
}

async function makeOnce(template: string, make: (folder: string) => Promise<void>): Promise<void> {
  const unfinished = await mkdtemp(`${template}-`);
  try {
    await make(unfinished);
    // Whole or not at all. When another process was faster, its one stands, and this one goes.
    await rename(unfinished, template).catch(async error => {
      if (!(await isFolder(template))) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false,
  );
}
