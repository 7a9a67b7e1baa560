import type { Static, TSchema } from 'typebox';
import { Check, Compile, Errors } from 'typebox/schema';
import type { FieldProblem } from './errors.ts';
import { MAX_JSON_DEPTH } from './limits.ts';

/** A value from outside that fits its schema, or everything that is wrong with it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: FieldProblem[] };

/** Mistakes reported for one value; the rest are cut, so that a hostile body cannot make a large answer. */
const MAX_PROBLEMS = 20;

/** Errors looked at for these: one mistake makes several (each part of a union, a field and its object). */
const MAX_ERRORS = 10 * MAX_PROBLEMS;

const HALF_A_CHARACTER = 'has half of a character (a lone surrogate)';

type SchemaError = {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
};
/** Compiling a schema takes as long as a hundred checks of a small value by the schema itself: what is used once or twice, as at a start, does without. */
const UNCOMPILED_CHECKS = 2;

type Checker = { used: number; compiled: { Check(value: unknown): boolean } | undefined };
const checkers = new WeakMap<TSchema, Checker>();

function fits(schema: TSchema, value: unknown): boolean {
  let checker = checkers.get(schema);
  if (checker === undefined) {
    checker = { used: 0, compiled: undefined };
    checkers.set(schema, checker);
  }
  if (checker.used < UNCOMPILED_CHECKS) {
    checker.used += 1;
    return Check(schema, value);
  }
  checker.compiled ??= Compile(schema);
  return checker.compiled.Check(value);
}

/**
 * What no value from outside may have, whatever its schema. Half a character (a lone surrogate) cannot be stored: each becomes
 * the same U+FFFD, and two names, or two passwords, become one.
 */
function unfit(value: unknown, depth = 0): FieldProblem | undefined {
  if (depth > MAX_JSON_DEPTH) return { field: '', message: 'is nested too deeply' };
  if (typeof value === 'string') return value.isWellFormed() ? undefined : { field: '', message: HALF_A_CHARACTER };
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (!key.isWellFormed()) return { field: '', message: `has a field whose name ${HALF_A_CHARACTER}` };
    const found = unfit(inner, depth + 1);
    if (found?.message === HALF_A_CHARACTER) return { ...found, field: [key, found.field].filter(Boolean).join('.') };
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The part of a schema that an error came from, if it says in words what it wants. */
function descriptionAt(schema: unknown, schemaPath: string): string | undefined {
  let part: unknown = schema;
  for (const step of schemaPath.split('/').slice(1)) {
    if (typeof part !== 'object' || part === null) return undefined;
    part = (part as Record<string, unknown>)[step.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  const description = (part as { description?: unknown } | undefined)?.description;
  return typeof description === 'string' ? description : undefined;
}

/** JSON's types as administrators call them. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  null: 'null',
  integer: 'a whole number',
  number: 'a number',
  object: 'fields with values',
  string: 'text',
};

/** A number, or true or false, where text is meant. */
function isBare(value: unknown, path: string): boolean {
  let part = value;
  for (const step of path.split('/').slice(1)) {
    part = (part as Record<string, unknown> | null | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return typeof part === 'number' || typeof part === 'boolean';
}

/** Of another part of a choice, which took the value for what it is: an object with something wrong in it. */
function isWithin(path: string, { instancePath, keyword }: SchemaError): boolean {
  const isOfFields = keyword === 'required' || keyword === 'additionalProperties';
  return instancePath.startsWith(`${path}/`) || (isOfFields && instancePath === path);
}

/** One error in words; nothing where others at the same place say more. */
function describe(
  schema: TSchema,
  value: unknown,
  error: SchemaError,
  all: readonly SchemaError[],
): readonly FieldProblem[] {
  const field = error.instancePath.slice(1).replaceAll('/', '.');
  switch (error.keyword) {
    case 'boolean': // `additionalProperties: false`, at the field itself
      return [{ field, message: 'is not a known field' }];
    case 'additionalProperties':
    case 'anyOf':
      return [];
    case 'required': {
      const { requiredProperties = [] } = error.params as { requiredProperties?: readonly string[] };
      return requiredProperties.map(name => ({
        field: field === '' ? name : `${field}.${name}`,
        message: 'is missing',
      }));
    }
    case 'const': {
      const allowed = all
        .filter(other => other.keyword === 'const' && other.instancePath === error.instancePath)
        .map(other => JSON.stringify((other.params as { allowedValue?: unknown }).allowedValue));
      return [{ field, message: `must be ${allowed.join(' or ')}` }];
    }
    case 'pattern': {
      const description = descriptionAt(schema, error.schemaPath);
      return [{ field, message: description === undefined ? error.message : `must be ${description}` }];
    }
    case 'type': {
      // Of a choice, `null` or an object say: who has written an object is told what is wrong within it, and nothing of the other.
      if (all.some(other => isWithin(error.instancePath, other))) return [];
      const words = all
        .filter(other => other.keyword === 'type' && other.instancePath === error.instancePath)
        .map(other => TYPE_WORDS[String((other.params as { type?: unknown }).type)]);
      if (words.includes(undefined)) return [{ field, message: error.message }];
      // YAML takes a bare 12 for a number, and a bare no for text or not, by its version.
      if (words.join() === 'text' && isBare(value, error.instancePath)) {
        return [{ field, message: 'must be text: put it between quotation marks' }];
      }
      return [{ field, message: `must be ${[...new Set(words)].join(' or ')}` }];
    }
    case 'minimum':
    case 'maximum': {
      const { limit } = error.params as { limit?: unknown };
      return [{ field, message: `must be at ${error.keyword === 'minimum' ? 'least' : 'most'} ${limit}` }];
    }
    case 'minLength':
    case 'minItems':
      return [
        { field, message: (error.params as { limit?: unknown }).limit === 1 ? 'must not be empty' : error.message },
      ];
    default:
      return [{ field, message: error.message }];
  }
}

function explain(schema: TSchema, value: unknown): FieldProblem[] {
  const seen = new Set<string>();
  const [, all]: readonly [boolean, readonly SchemaError[]] = Errors(schema, value);
  const errors = all.slice(0, MAX_ERRORS);
  const problems = errors
    .flatMap(error => describe(schema, value, error, errors))
    .filter(({ field, message }) => !seen.has(field + message) && seen.add(field + message))
    .slice(0, MAX_PROBLEMS);
  return problems.length > 0 ? problems : [{ field: '', message: 'does not have the right form' }];
}

/** The one way in for values from outside: nothing is coerced, nothing is stripped. */
export function parseValue<S extends TSchema>(schema: S, value: unknown): Parsed<Static<S>> {
  const problem = unfit(value);
  if (problem !== undefined) return { ok: false, problems: [problem] };
  if (fits(schema, value)) return { ok: true, value: value as Static<S> };
  return { ok: false, problems: explain(schema, value) };
}

/** Parses JSON text (or bytes) from outside. `maxChars` bounds the work before anything is parsed. */
export function parseJson<S extends TSchema>(schema: S, text: string, maxChars: number): Parsed<Static<S>> {
  if (text.length > maxChars)
    return { ok: false, problems: [{ field: '', message: `is larger than ${maxChars} characters` }] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problems: [{ field: '', message: 'is not JSON' }] };
  }
  return parseValue(schema, value);
}

/** One line for people from a list of mistakes. */
export function describeProblems(problems: readonly FieldProblem[]): string {
  return problems.map(p => (p.field === '' ? p.message : `${p.field}: ${p.message}`)).join('; ');
}
