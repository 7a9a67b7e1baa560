// Checks the rules of the house that no linter knows: which part may import which, what core must not do, names, and what
// must not be committed. Run by `npm run check`; alone: `node scripts/check-imports.ts`. One line a finding, exit 1 if any.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { brokenRules, type CodeFile, type Finding } from './house-rules.ts';
import { findCycles } from './import-cycles.ts';
import { importsOf, lineAt, maskText } from './source-text.ts';

export interface RepositoryFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Violation extends Finding {
  readonly path: string;
}

/** All violations in these files, in the order of path and line. */
export function checkFiles(files: readonly RepositoryFile[]): readonly Violation[] {
  const code = parseCode(files);
  return [
    ...code.flatMap(file => brokenRules(file).map(finding => ({ path: file.path, ...finding }))),
    ...importCycles(code),
    ...files.flatMap(file =>
      [...badName(file), ...unfitToCommit(file), ...lockHoles(file)].map(finding => ({ path: file.path, ...finding })),
    ),
  ].toSorted((a, b) => a.path.localeCompare(b.path) || a.line - b.line);
}

function parseCode(files: readonly RepositoryFile[]): readonly CodeFile[] {
  const paths = new Set(files.map(file => file.path));
  const resolve = (from: string, specifier: string) => {
    if (!/^\.\.?(?:\/|$)/.test(specifier)) return specifier;
    const path = posix.join(posix.dirname(from), specifier);
    const source = path.replace(/\.js$/, '.ts');
    return paths.has(source) ? source : path;
  };
  return files
    .filter(({ path }) => /\.(?:ts|tsx|js)$/.test(path))
    .map(({ path, text }) => {
      const masked = maskText(text);
      const imports = importsOf(text, masked).map(found => ({ ...found, target: resolve(path, found.specifier) }));
      return { path, text, masked, imports };
    });
}

function importCycles(code: readonly CodeFile[]): readonly Violation[] {
  const byPath = new Map(code.map(file => [file.path, file]));
  const graph = new Map(code.map(({ path, imports }) => [path, imports.map(i => i.target).filter(t => byPath.has(t))]));
  return findCycles(graph).map(cycle => {
    const [path = '', next] = cycle;
    const line = byPath.get(path)?.imports.find(found => found.target === next)?.line ?? 1;
    const message = `${cycle.join(' -> ')}; move what both sides need to a file of its own (types count too)`;
    return { path, line, rule: 'no-cycle', message };
  });
}

function badName({ path }: RepositoryFile): readonly Finding[] {
  if (!/\.(?:tsx?|m?js|json|css|html|sh)$/.test(path)) return [];
  const bad = path.split('/').find(name => !/^\.?[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(name));
  if (bad === undefined) return [];
  return [{ line: 1, rule: 'kebab-case', message: `is named '${bad}'; names of files and folders are kebab-case` }];
}

const COMMIT_RULES = [
  {
    rule: 'no-machine-path',
    forbids: /(?<![\w.])\/(?:work|root)\/[^\s'"`)]*/g,
    instead: 'a path of one machine means nothing on another: make it relative, or take it from outside',
  },
  {
    rule: 'no-registry-host',
    forbids:
      /\b(?:registry\.npmjs\.org|registry\.yarnpkg\.com|npm\.pkg\.github\.com|(?:deb|security)\.debian\.org|pypi\.org|files\.pythonhosted\.org)\b/g,
    instead: "use the package manager's own setting: another machine has another registry",
  },
  {
    rule: 'no-registry-host',
    forbids: /"resolved": "\w+:[^"]*"/g,
    only: 'package-lock.json',
    instead:
      'run npm with the .npmrc of the repository (omit-lockfile-registry-resolved), which leaves the address out',
  },
];

function unfitToCommit({ path, text }: RepositoryFile): readonly Finding[] {
  return COMMIT_RULES.filter(({ only }) => only === undefined || only === path).flatMap(({ rule, forbids, instead }) =>
    [...text.matchAll(forbids)].map(match => ({
      line: lineAt(text, match.index),
      rule,
      message: `has ${match[0]}; ${instead}`,
    })),
  );
}

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** A registry that lacks the builds for some platforms makes a lock without them, which `npm ci` refuses on every machine. */
function lockHoles({ path, text }: RepositoryFile): readonly Finding[] {
  if (path !== 'package-lock.json') return [];
  const packages: Readonly<Record<string, LockedPackage>> = JSON.parse(text).packages ?? {};
  const names = new Set(Object.keys(packages).map(key => key.replace(/^.*node_modules\//, '')));
  const wanted = Object.values(packages).flatMap(locked =>
    Object.keys({ ...locked.dependencies, ...locked.optionalDependencies }),
  );
  return [...new Set(wanted)]
    .filter(name => !names.has(name))
    .map(name => ({
      line: lineAt(text, text.indexOf(`"${name}"`)),
      rule: 'lock-complete',
      message: `has no entry for ${name}; \`npm ci\` refuses such a lock: add one (version, os, cpu, optional) by hand`,
    }));
}

/** What is committed, or would be by `git add -A`. */
function readRepository(): readonly RepositoryFile[] {
  return listRepository().flatMap(path => {
    const text = readText(path);
    return text === undefined || text.includes('\0') ? [] : [{ path, text }];
  });
}

function listRepository(): readonly string[] {
  // `safe.directory`: whoever runs this may be another user than the owner of the checkout, as in a container.
  const list = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  try {
    const listed = execFileSync('git', list, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, stdio: 'pipe' });
    return listed.split('\0').filter(path => path !== '');
  } catch {
    // A copy without its history: then all but what .gitignore names.
    const ignored = /^(?:node_modules|dist|\.git|\.demo|\.tmp)$/;
    return globSync('**/*', { exclude: path => ignored.test(posix.basename(path)) });
  }
}

/** Undefined for what is listed but deleted, and for folders. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  process.chdir(`${import.meta.dirname}/..`);
  const files = readRepository();
  const violations = checkFiles(files);
  for (const { path, line, rule, message } of violations) console.error(`${path}:${line}  ${rule}: ${message}`);
  console.log(`House rules: ${files.length} files, ${violations.length} violations.`);
  if (violations.length > 0) process.exitCode = 1;
}
