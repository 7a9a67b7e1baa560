import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../identity/key-files.ts';

const INSTANCE_FILE = 'instance';

/** The instance of a joiner, kept beside its keys: a join that was cut off goes on as the same one. */
export function joinInstance(dataFolder: string): string {
  const path = join(dataFolder, 'identity', INSTANCE_FILE);
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const instance = randomUUID();
  writeFileAtomically(path, `${instance}\n`);
  return instance;
}
