// The house rules that a machine can check, as data: where a rule holds, what it forbids, what to do instead.
// A test (`*.test.ts`) is held to the borders between packages and to the rules of naming, not to those inside a package.
import { lineAt, type SourceImport } from './source-text.ts';

export interface CodeFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** `text` without comments and the inside of strings: see `maskText`. */
  readonly masked: string;
  /** `target`: what is imported, as a path in the repository if the specifier is relative, else the specifier. */
  readonly imports: readonly (SourceImport & { readonly target: string })[];
}

export interface Finding {
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

type Rule = (file: CodeFile) => readonly Finding[];

const isTest = (path: string) => path.endsWith('.test.ts');
const packageOf = (path: string) => /^packages\/([^/]+)\//.exec(path)?.[1];
const isFrom = (target: string, ...names: string[]) =>
  names.some(name => target === name || target.startsWith(`${name}/`));

interface ImportRule {
  readonly rule: string;
  readonly where: (path: string) => boolean;
  /** `of` is the package that the importing file belongs to. */
  readonly forbids: (imported: CodeFile['imports'][number], of: string | undefined, from: string) => boolean;
  readonly instead: string;
}

const HEAVY = ['fastify', '@fastify', 'kysely', 'pino'];
const SQL = ['better-sqlite3', 'kysely', 'mysql2', 'node:sqlite'];
const BUILDERS = /\/src\/(?:adapters\/|cli\/|(?:agent|server)\.ts$)/;
const SQL_HOMES = /^packages\/(?:server\/src\/(?:record|replica|journal)|agent\/src\/adapters\/(?:cache|outbox))\b/;

const IMPORT_RULES: readonly ImportRule[] = [
  {
    rule: 'protocol-alone',
    where: path => path.startsWith('packages/protocol/') && !isTest(path),
    forbids: ({ target }) => target.startsWith('node:') || isFrom(target, '@thinman'),
    instead: 'protocol is the wire alone: move what needs this to agent or server',
  },
  {
    rule: 'package-border',
    where: path => packageOf(path) !== undefined,
    forbids: ({ specifier, target }, of, from) => {
      if (!specifier.startsWith('.')) return isFrom(target, '@thinman/agent', '@thinman/server');
      return packageOf(target) !== of && !(isTest(from) && target.startsWith('test/'));
    },
    instead: 'a package reaches another one only as @thinman/protocol: put what both need there',
  },
  {
    rule: 'core-imports',
    where: path => isCore(path) && !isTest(path),
    forbids: ({ target, typeOnly }, of) => {
      if (isFrom(target, '@thinman/protocol') || target.startsWith(`packages/${of}/src/core/`)) return false;
      return !(typeOnly && target === `packages/${of}/src/ports.ts`);
    },
    instead: 'core imports core, @thinman/protocol and types of ports.ts: hand the rest in as data of the event',
  },
  {
    rule: 'ports-are-types',
    where: path => isPorts(path),
    forbids: ({ typeOnly }) => !typeOnly,
    instead: 'write `import type`: ports.ts exists for the compiler only',
  },
  {
    rule: 'one-builder',
    where: path => packageOf(path) !== undefined && !BUILDERS.test(path) && !isTest(path),
    forbids: ({ target, typeOnly }, of) => !typeOnly && target.startsWith(`packages/${of}/src/adapters/`),
    instead: 'only agent.ts and server.ts construct adapters: take a port as a parameter',
  },
  {
    rule: 'sql-at-home',
    where: path => packageOf(path) !== undefined && !SQL_HOMES.test(path) && !isTest(path),
    forbids: ({ target }) => isFrom(target, ...SQL),
    instead:
      "SQL lives in record/, replica/, journal/ and the agent's adapters/cache and adapters/outbox: add a query there",
  },
  {
    rule: 'light-agent',
    where: path => packageOf(path) === 'agent',
    forbids: ({ target }) => isFrom(target, ...HEAVY),
    instead: 'the agent runs on thin clients of 2 GB and carries no server library',
  },
];

interface PatternRule {
  readonly rule: string;
  readonly where: (path: string) => boolean;
  /** Looked for in the code, not in comments and strings. */
  readonly forbids: RegExp;
  readonly instead: string;
}

const PATTERN_RULES: readonly PatternRule[] = [
  {
    rule: 'core-is-pure',
    where: path => isCore(path) && !isTest(path),
    forbids:
      /\bDate\.now\b|\bnew Date(?:\(\s*\)|\b(?!\())|(?<!new )\bDate\(|\bMath\.random\b|\bcrypto\.(?:random\w*|getRandomValues)|\bperformance\.now\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bprocess\.|\bfetch\(|\b(?:async|await|Promise)\b/g,
    instead: 'time, draws and results come in with the event, and what is to be done goes out as an effect',
  },
  {
    rule: 'ports-are-types',
    where: path => isPorts(path),
    // The formatter begins every statement at the left edge; all that may stand there is a type, or the end of one.
    forbids: /^(?!(?:import type|export type|export interface|type|interface)\b)[\w$@]+.*/gm,
    instead: 'ports.ts holds types only: move this to an adapter or to core',
  },
  {
    rule: 'sql-at-home',
    where: path => packageOf(path) !== undefined && !SQL_HOMES.test(path) && !isTest(path),
    forbids: /\.prepare\s*[(<]/g,
    instead:
      "SQL lives in record/, replica/, journal/ and the agent's adapters/cache and adapters/outbox: call a query of theirs",
  },
  {
    rule: 'no-enum',
    where: () => true,
    forbids: /(?<![\w$.])enum\s+[\w$]+/g,
    instead: 'use a union of string literals, or an object `as const`',
  },
  {
    rule: 'no-i-prefix',
    where: () => true,
    forbids: /\binterface\s+I[A-Z][a-z]\w*/g,
    instead: 'name an interface by what it is, without the I',
  },
];

function isCore(path: string): boolean {
  return /^packages\/[^/]+\/src\/core\//.test(path);
}

function isPorts(path: string): boolean {
  return packageOf(path) !== undefined && /\/src\/ports(?:\/[^/]+)?\.ts$/.test(path);
}

export function brokenRules(file: CodeFile): readonly Finding[] {
  return [...forbiddenImports(file), ...forbiddenPatterns(file)];
}

const forbiddenImports: Rule = file =>
  IMPORT_RULES.filter(({ where }) => where(file.path)).flatMap(({ rule, forbids, instead }) =>
    file.imports
      .filter(imported => forbids(imported, packageOf(file.path), file.path))
      .map(({ line, specifier }) => ({ line, rule, message: `imports '${specifier}'; ${instead}` })),
  );

const forbiddenPatterns: Rule = file =>
  PATTERN_RULES.filter(({ where }) => where(file.path)).flatMap(({ rule, forbids, instead }) =>
    [...file.masked.matchAll(forbids)].map(match => ({
      line: lineAt(file.masked, match.index),
      rule,
      message: `has \`${match[0].trim()}\`; ${instead}`,
    })),
  );
