import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { isCollection, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { CommandError, EXIT } from './command-error.ts';

/** One object out of a file. */
export type FileObject = {
  readonly value: unknown;
  /** `ward.yaml:12 (document 3)`: the file, the line of a field of it, and the document. */
  where(field: string): string;
};

/** As what `-` shows in messages. */
const STDIN_NAME = 'standard input';
/** Aliases in one document; more is an attack or a mistake (yaml's own default). */
const MAX_ALIASES = 100;

/** What `get -o json` gives of a kind that has no objects: it is taken back. */
const EMPTY_LIST = /^\s*\[\s*\]\s*$/;

/** Reads files, folders of files (`*.yaml`, `*.yml`, `*.json`, in the order of their names), and `-` for standard input. */
export async function readDocuments(paths: readonly string[]): Promise<readonly FileObject[]> {
  const mistakes: string[] = [];
  const objects: FileObject[] = [];
  let isEmptyMeant = false;
  for (const file of paths.flatMap(filesAt)) {
    const content = await readText(file);
    isEmptyMeant ||= EMPTY_LIST.test(content);
    const read = parseFile(nameOf(file), content);
    mistakes.push(...read.mistakes);
    objects.push(...read.objects);
  }
  if (mistakes.length > 0) throw new CommandError(EXIT.misuse, ...mistakes);
  if (objects.length === 0 && !isEmptyMeant)
    throw new CommandError(EXIT.misuse, `there is no object in ${paths.map(nameOf).join(', ')}`);
  return objects;
}

const nameOf = (path: string) => (path === '-' ? STDIN_NAME : path);

function filesAt(path: string): readonly string[] {
  if (path === '-') return ['-'];
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
    return names
      .filter(name => /\.(?:ya?ml|json)$/.test(name))
      .toSorted()
      .map(name => join(path, name));
  } catch {
    throw new CommandError(EXIT.misuse, `${path} cannot be read: there is no such file, or it may not be opened`);
  }
}

async function readText(file: string): Promise<string> {
  if (file === '-') return text(process.stdin);
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new CommandError(EXIT.misuse, `${file} cannot be read: there is no such file, or it may not be opened`);
  }
}

/** YAML 1.2, and so JSON: several documents, each of them one object or a list of objects. */
export function parseFile(
  file: string,
  content: string,
): { readonly objects: FileObject[]; readonly mistakes: string[] } {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(content, { lineCounter: lines, prettyErrors: false });
  const objects: FileObject[] = [];
  const mistakes: string[] = [];
  if (!Array.isArray(parsed)) return { objects, mistakes };
  for (const [at, document] of parsed.entries()) {
    const place = (offset: number | undefined) =>
      `${file}:${offset === undefined ? 1 : lines.linePos(offset).line} (document ${at + 1})`;
    const { contents, errors } = document;
    mistakes.push(...errors.map(({ pos, message }) => `${place(pos[0])}: ${message.replaceAll('\n', ' ')}`));
    if (errors.length > 0 || contents === null) continue;
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      if (value === null) continue;
      const nodes =
        isSeq(contents) && Array.isArray(value)
          ? contents.items.map((node, n) => [node, value[n]] as const)
          : [[contents, value] as const];
      for (const [node, one] of nodes) {
        objects.push({ value: one, where: field => place(offsetOf(node as Node, field)) });
      }
    } catch {
      mistakes.push(`${place(contents.range?.[0])}: has more aliases than are read`);
    }
  }
  return { objects, mistakes };
}

/** Where a dotted field stands, or the nearest part of it that is there. */
function offsetOf(node: Node, field: string): number | undefined {
  const path = field.split('.');
  for (let length = path.length; length > 0 && isCollection(node); length--) {
    const inner = node.getIn(path.slice(0, length), true) as Node | undefined;
    if (inner?.range) return inner.range[0];
  }
  return node.range?.[0];
}
