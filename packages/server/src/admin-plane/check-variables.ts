import { type FieldProblem, isSecret, parseValue, replaceAt } from '@thinman/protocol';
import type { TSchema } from 'typebox';
import { hasTemplate, isVariable, PLAIN_VARIABLES, parseTemplate } from '../core/variables.ts';
import { didYouMean } from './nearest.ts';

/** What a variable may hold, to see whether its place takes any of it: a word, a number, an address, a host. */
const SAMPLES = ['sample', '10', 'sample@example.org', 'https://sample.example.org'] as const;

export type VariableRules = {
  /** Of a device alone: there is no user whose variables could be meant. */
  readonly deviceOnly: boolean;
  /** Fields that take no variable, with the reason. */
  readonly plain: Readonly<Record<string, string>>;
};

/** A text with variables in a value. */
type Found = { readonly path: readonly (string | number)[]; readonly text: string };

/**
 * A value against its schema, with its variables: their form, their names, whether there is a user, and whether the place can
 * take what they may stand for. Fields are paths below the value.
 */
export function checkTemplated(schema: TSchema, value: unknown, rules: VariableRules): readonly FieldProblem[] {
  const found = textsIn(schema, value, []);
  if (found.length === 0) return problemsOf(schema, value);
  const wrong = found.flatMap(each => checkText(each, rules));
  if (wrong.length > 0) return wrong;
  let problems: readonly FieldProblem[] = [];
  for (const sample of SAMPLES) {
    const filled = found.reduce<unknown>(
      (held, { path, text }) => replaceAt(held, path, () => sampleOf(text, sample)),
      value,
    );
    const these = problemsOf(schema, filled);
    if (these.length === 0) return [];
    if (problems.length === 0 || these.length < problems.length) problems = these;
  }
  const variable = new Set(found.map(({ path }) => path.join('.')));
  return problems.map(({ field, message }) =>
    variable.has(field)
      ? { field, message: `${message}, also with its variables filled in: give them defaults that fit` }
      : { field, message },
  );
}

function checkText({ path, text }: Found, { deviceOnly, plain }: VariableRules): readonly FieldProblem[] {
  const field = path.join('.');
  const template = parseTemplate(text);
  if (template.kind === 'wrong') return [{ field, message: template.why }];
  const variables = template.parts.flatMap(part => (part.kind === 'variable' ? [part] : []));
  const reason = plain[field];
  if (variables.length > 0 && reason !== undefined) return [{ field, message: `takes no variables: ${reason}` }];
  return variables.flatMap(({ name }) => {
    if (!isVariable(name)) {
      const known = [...PLAIN_VARIABLES, 'device.attribute.NAME', 'user.attribute.NAME'];
      const hint = didYouMean(name, PLAIN_VARIABLES) || `; there are ${known.join(', ')}`;
      return [{ field, message: `names the variable "${name}", which does not exist${hint}` }];
    }
    if (deviceOnly && name.startsWith('user.')) {
      return [{ field, message: `names "${name}", and this is of devices: no user is there` }];
    }
    return [];
  });
}

function textsIn(schema: unknown, value: unknown, path: readonly (string | number)[]): readonly Found[] {
  if (typeof value === 'string') return hasTemplate(value) ? [{ path, text: value }] : [];
  if (typeof value !== 'object' || value === null || typeof schema !== 'object' || schema === null) return [];
  const { items, properties, anyOf } = schema as {
    items?: unknown;
    properties?: Readonly<Record<string, TSchema>>;
    anyOf?: readonly unknown[];
  };
  if (anyOf !== undefined) return distinct(anyOf.flatMap(branch => textsIn(branch, value, path)));
  if (Array.isArray(value)) return value.flatMap((item, at) => textsIn(items, item, [...path, at]));
  // A secret is a text of its own, whatever is in it.
  return Object.entries(value).flatMap(([key, inner]) => {
    const own = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
    return own === undefined || isSecret(own) ? [] : textsIn(own, inner, [...path, key]);
  });
}

function distinct(found: readonly Found[]): readonly Found[] {
  return [...new Map(found.map(each => [each.path.join('.'), each])).values()];
}

/** Variables with a default have that one: it must fit whatever else does. */
function sampleOf(text: string, sample: string): string {
  const template = parseTemplate(text);
  if (template.kind === 'wrong') return text;
  return template.parts.map(part => (part.kind === 'text' ? part.text : (part.fallback ?? sample))).join('');
}

function problemsOf(schema: TSchema, value: unknown): readonly FieldProblem[] {
  const parsed = parseValue(schema, value);
  return parsed.ok ? [] : parsed.problems;
}
