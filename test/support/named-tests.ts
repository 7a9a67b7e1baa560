import { existsSync, readFileSync } from 'node:fs';

const ROOT = `${import.meta.dirname}/../..`;

/** Is there a test of this name, or one that is put together and begins so, or a case of this text? `file`: from the root. */
export function hasTest(file: string, name: string): boolean {
  if (!existsSync(`${ROOT}/${file}`)) return false;
  const source = readFileSync(`${ROOT}/${file}`, 'utf8').replaceAll("\\'", "'").replaceAll('\\`', '`');
  return ["'", '"', '`'].some(quote => source.includes(quote + name));
}
