// Reads the declaration files that the compiler writes, as far as docs/api.md needs them.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Declaration = {
  readonly name: string;
  readonly file: string;
  /** The docstring as plain text; empty where there is none. */
  readonly doc: string;
  /** The declaration without its docstring, as the compiler wrote it. */
  readonly text: string;
};

type DeclarationFile = {
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** `export … from`: the names, or all. */
  readonly handedOn: readonly { readonly file: string; readonly names: readonly string[] | 'all' }[];
  readonly imported: ReadonlyMap<string, string>;
};

/** In the order of the index: what it exports, and what of the same package these are made of. */
export function publicDeclarations(index: string): {
  readonly exported: readonly Declaration[];
  readonly used: readonly Declaration[];
} {
  const exported = exportsOf(index);
  const known = new Set(exported.map(keyOf));
  const used: Declaration[] = [];
  for (const queue = [...exported]; queue.length > 0; ) {
    const declaration = queue.shift();
    if (declaration === undefined) break;
    for (const found of usedBy(declaration)) {
      if (known.has(keyOf(found))) continue;
      known.add(keyOf(found));
      used.push(found);
      queue.push(found);
    }
  }
  return { exported, used };
}

const keyOf = ({ file, name }: Declaration) => `${file}#${name}`;

function exportsOf(path: string): Declaration[] {
  const { declarations, handedOn } = read(path);
  const others = handedOn.flatMap(({ file, names }) =>
    exportsOf(file).filter(({ name }) => names === 'all' || names.includes(name)),
  );
  return [...declarations.values(), ...others];
}

/** Types of the same package that stand in its text. */
function usedBy({ file, name, text }: Declaration): Declaration[] {
  const { declarations, imported } = read(file);
  const words = new Set(text.replaceAll(/\/\*[\s\S]*?\*\//g, '').match(/\b[A-Z]\w+/g));
  return [...words].flatMap(word => {
    const from = imported.get(word);
    const found = from === undefined ? declarations.get(word) : exportsOf(from).find(other => other.name === word);
    return found === undefined || word === name ? [] : [found];
  });
}

const files = new Map<string, DeclarationFile>();

function read(path: string): DeclarationFile {
  const known = files.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(path, 'utf8');
  const local = (from: string) => join(dirname(path), from.replace(/\.ts$/, '.d.ts'));
  const file = {
    declarations: declarationsIn(path, text),
    handedOn: [...text.matchAll(/^export (?:type )?(\*|\{([^}]*)\}) from '(\.[^']*)';/gm)].map(
      ([, what, names = '', from = '']) => ({
        file: local(from),
        names: what === '*' ? ('all' as const) : namesIn(names),
      }),
    ),
    imported: new Map(
      [...text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm)].flatMap(([, names = '', from = '']) =>
        namesIn(names).map(name => [name, local(from)] as const),
      ),
    ),
  };
  files.set(path, file);
  return file;
}

function namesIn(list: string): string[] {
  const names = list.split(',').map(name => name.trim().replace(/^type /, ''));
  return names.filter(name => name !== '');
}

const BEGINS =
  /^(?:\/\*\*(?<comment>(?:(?!\*\/)[\s\S])*)\*\/\n)?export (?:declare )?(?:abstract )?(?:type|const|function|class|interface) (?<name>\w+)/gm;

/** A schema and its type have one name: the first one is taken, with whichever docstring there is. */
function declarationsIn(file: string, text: string): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  const begins = [...text.matchAll(BEGINS)];
  begins.forEach((match, at) => {
    const { comment = '', name = '' } = match.groups ?? {};
    const from = match.index + match[0].indexOf('export ', comment === '' ? 0 : match[0].indexOf('*/'));
    const end = begins[at + 1]?.index ?? text.length;
    const before = found.get(name);
    const doc = before?.doc || plain(comment);
    const body = text.slice(from, end).replace(/^(?:import|export) .* from .*;$/gm, '');
    found.set(name, before === undefined ? { name, file, doc, text: body.trim() } : { ...before, doc });
  });
  return found;
}

/** The text of a docstring, without its stars. */
function plain(comment: string): string {
  const lines = comment.split('\n').map(line => line.replace(/^\s*\* ?/, '').trim());
  return lines.join('\n').trim();
}
