// Reads TypeScript as far as the house rules need it: what is code and what is text, and what a file imports.
// TypeScript 7 has no stable JavaScript API, and a parser would be a dependency in the place of these hundred lines.

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y;
const STRING = /'(?:\\[\s\S]|[^'\\\n])*'?|"(?:\\[\s\S]|[^"\\\n])*"?/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
/** From a backtick, or from the `}` that ends a `${`, to the next `${` or the closing backtick. */
const TEMPLATE = /[`}](?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{|$)/y;
const PLAIN = /[\w$\s]+|[\s\S]/y;

/** After these a `/` begins a regular expression; after other words, values and closing brackets it divides. */
const REGEX_FOLLOWS = /(?:^|[(,=:[!&|?{;+\-*%~^>]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw))$/;

const blank = (text: string) => text.replace(/[^\n]/g, ' ');

/**
 * The same text with all that is not code turned into blanks: comments, and the inside of strings, templates and regular
 * expressions. Quotes, line breaks and `${...}` stay, and every character keeps its place.
 */
export function maskText(text: string): string {
  let masked = '';
  /** For each open `${`, how many `{` are open inside it. */
  const open: number[] = [];

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = masked.length;
    return pattern.exec(text)?.[0];
  };
  const keepEnds = (found: string, tail: number) => {
    const end = Math.max(1, found.length - tail);
    masked += found.charAt(0) + blank(found.slice(1, end)) + found.slice(end);
  };

  while (masked.length < text.length) {
    const char = text.charAt(masked.length);
    const found =
      (char === '/' && (take(COMMENT) ?? (REGEX_FOLLOWS.test(masked.trimEnd()) ? take(REGEX) : undefined))) ||
      take(STRING) ||
      ((char === '`' || (char === '}' && open.at(-1) === 0)) && take(TEMPLATE)) ||
      undefined;

    if (found === undefined) {
      const inner = open.length - 1;
      if (char === '{' && inner >= 0) open[inner] = (open[inner] ?? 0) + 1;
      if (char === '}' && inner >= 0) open[inner] = (open[inner] ?? 0) - 1;
      masked += take(PLAIN) ?? char;
    } else if (char === '/') {
      masked += found.startsWith('//') || found.startsWith('/*') ? blank(found) : `/${blank(found.slice(1))}`;
    } else if (char === '`' || char === '}') {
      if (char === '}') open.pop();
      if (found.endsWith('${')) open.push(0);
      keepEnds(found, found.endsWith('${') ? 2 : found.endsWith('`') ? 1 : 0);
    } else {
      keepEnds(found, found.length > 1 && found.endsWith(char) ? 1 : 0);
    }
  }
  return masked;
}

/** One-based line of a place in a text. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

export interface SourceImport {
  readonly specifier: string;
  readonly line: number;
  /** `import type` or `export type`: gone at run time. `import { type A }` is not, for it still loads the file. */
  readonly typeOnly: boolean;
}

const CLAUSE = String.raw`(?:[\w$]+\s*,?\s*)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})?`;
const STATEMENT = new RegExp(
  String.raw`(?<![\w$.])(?:import|export)\b\s*(?<type>type\b\s*)?(?:${CLAUSE}\s*\bfrom\s*|(?<=import\s*))(?<quote>['"])`,
  'g',
);
const CALL = /(?<![\w$.])(?:import|require)\s*\(\s*(?<quote>['"`])/g;

/** Everything a file imports, re-exports, or loads with `import('...')`. `masked` is `maskText(text)`. */
export function importsOf(text: string, masked: string): readonly SourceImport[] {
  const imports: SourceImport[] = [];
  for (const pattern of [STATEMENT, CALL]) {
    for (const match of masked.matchAll(pattern)) {
      const quote = match.groups?.quote ?? '';
      const start = match.index + match[0].length;
      imports.push({
        specifier: text.slice(start, masked.indexOf(quote, start)),
        line: lineAt(text, start),
        typeOnly: match.groups?.type !== undefined,
      });
    }
  }
  return imports;
}
