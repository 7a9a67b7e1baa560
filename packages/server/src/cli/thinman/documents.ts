import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { MAX_JSON_DEPTH, readUtf8 } from '@thinman/protocol';
import {
  type Document,
  isAlias,
  isCollection,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';
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

/** An object stands in a list in a request: two levels of what the server reads. */
const MAX_OBJECT_DEPTH = MAX_JSON_DEPTH - 2;
const TOO_DEEP = 'is nested too deeply to be an object: look for a bracket or a dash too many';

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
  const content = readUtf8(file === '-' ? await buffer(process.stdin) : readBytes(file));
  if (content !== undefined) return content;
  throw new CommandError(EXIT.misuse, `${nameOf(file)} is not UTF-8: write it in that encoding`);
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
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
  const objects: FileObject[] = [];
  const mistakes: string[] = [];
  const parsed = parseAll(content, lines);
  if (parsed === 'too_deep') return { objects, mistakes: [`${file}: ${TOO_DEEP}`] };
  for (const [at, document] of parsed.entries()) {
    const place = (offset: number | undefined) =>
      `${file}:${offset === undefined ? 1 : lines.linePos(offset).line} (document ${at + 1})`;
    const { contents, errors } = document;
    mistakes.push(...errors.map(({ pos, message }) => `${place(pos[0])}: ${message.replaceAll('\n', ' ')}`));
    if (errors.length > 0 || contents === null) continue;
    try {
      const oddKey = oddKeyOf(document);
      if (oddKey !== undefined) {
        mistakes.push(
          `${place(oddKey.range?.[0])}: a key is no plain text: look for brackets, a question mark or an exclamation mark`,
        );
        continue;
      }
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      if (value === null) continue;
      const nodes =
        isSeq(contents) && Array.isArray(value)
          ? contents.items.map((node, n) => [node, value[n]] as const)
          : [[contents, value] as const];
      for (const [node, one] of nodes) {
        const where = (field: string) => place(offsetOf(node as Node, field));
        const refused = unsendable(one);
        if (refused !== undefined) {
          mistakes.push(`${where(refused.field)}: ${`${refused.field} ${refused.message}`.trim()}`);
        } else objects.push({ value: one, where });
      }
    } catch (error) {
      const why = isStackOverflow(error) ? TOO_DEEP : 'has more aliases than are read';
      mistakes.push(`${place(contents.range?.[0])}: ${why}`);
    }
  }
  return { objects, mistakes };
}

/** The parser goes down into what is nested by calling itself. */
const isStackOverflow = (error: unknown) => error instanceof RangeError;

function parseAll(content: string, lineCounter: LineCounter): readonly Document.Parsed[] | 'too_deep' {
  try {
    const parsed = parseAllDocuments(content, { lineCounter, prettyErrors: false });
    // Where the parser ran out of stack, what else it says of the file depends on how deep it came.
    if (parsed.some(({ errors }) => errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION'))) return 'too_deep';
    // Without any document it gives an array as well, of another kind.
    return [...parsed];
  } catch (error) {
    if (isStackOverflow(error)) return 'too_deep';
    throw error;
  }
}

/**
 * A key that is a list, an object, bytes or a moment: YAML allows it, JSON does not. The library would make text of it, and
 * warn on standard error with all that is in it.
 */
function oddKeyOf(document: Document.Parsed): Node | undefined {
  let found: Node | undefined;
  visit(document, {
    Pair(_at, { key }) {
      const node = isAlias(key) ? key.resolve(document) : key;
      const isPlain = !isCollection(node) && (!isScalar(node) || typeof node.value !== 'object' || node.value === null);
      if (isPlain) return undefined;
      found = key as Node;
      return visit.BREAK;
    },
  });
  return found;
}

/** What no server takes in a body, whatever its kind, and where: it would refuse the request without saying of which object. */
function unsendable(value: unknown): { readonly field: string; readonly message: string } | undefined {
  const open: { readonly value: unknown; readonly path: readonly string[] }[] = [{ value, path: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: inner, path } = next;
    if (typeof inner !== 'object' || inner === null) continue;
    if (path.length > MAX_OBJECT_DEPTH) return { field: '', message: TOO_DEEP };
    for (const [key, member] of Object.entries(inner)) {
      const field = [...path, key];
      if (changesPrototypes(key, member)) {
        return { field: field.join('.'), message: 'is a name that no field can have: choose another one' };
      }
      open.push({ value: member, path: field });
    }
  }
  return undefined;
}

/** As secure-json-parse, which reads a server's bodies, has it. */
function changesPrototypes(key: string, member: unknown): boolean {
  if (key === '__proto__') return true;
  return key === 'constructor' && typeof member === 'object' && member !== null && Object.hasOwn(member, 'prototype');
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
