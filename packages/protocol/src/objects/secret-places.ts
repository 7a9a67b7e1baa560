import type { TSchema } from 'typebox';
import { isSecret } from './secret.ts';

/** Where a secret stands in a value: `field` is what it is stored under, whatever the order of a list. */
export type SecretPlace = { readonly field: string; readonly path: readonly (string | number)[] };

/** What tells the items of a list apart, in the order of preference. */
const ITEM_NAMES = ['ssid', 'name', 'id'] as const;

const withSecrets = new WeakMap<object, boolean>();

/** Whether anything below is marked: most schemas are done with here. */
export function holdsSecrets(schema: object): boolean {
  const known = withSecrets.get(schema);
  if (known !== undefined) return known;
  const found =
    isSecret(schema as TSchema) ||
    Object.values(schema).some(inner => typeof inner === 'object' && inner !== null && holdsSecrets(inner));
  withSecrets.set(schema, found);
  return found;
}

/** All secrets that are given in a value, or said to be set. */
export function secretPlaces(
  schema: TSchema,
  value: unknown,
  field: string,
  path: readonly (string | number)[] = [],
): readonly SecretPlace[] {
  if (value === undefined || value === null || !holdsSecrets(schema)) return [];
  if (isSecret(schema)) return [{ field, path }];
  const { anyOf, items, properties } = schema as {
    anyOf?: readonly TSchema[];
    items?: TSchema;
    properties?: Readonly<Record<string, TSchema>>;
  };
  if (anyOf !== undefined) return distinct(anyOf.flatMap(branch => secretPlaces(branch, value, field, path)));
  if (items !== undefined && Array.isArray(value)) {
    const seen = new Map<string, number>();
    return value.flatMap((item, at) => {
      const label = labelOf(item) ?? String(at);
      const times = (seen.get(label) ?? 0) + 1;
      seen.set(label, times);
      return secretPlaces(items, item, `${field}.${times === 1 ? label : `${label}#${times}`}`, [...path, at]);
    });
  }
  if (properties === undefined || typeof value !== 'object' || Array.isArray(value)) return [];
  const given = value as Readonly<Record<string, unknown>>;
  return Object.entries(properties).flatMap(([key, inner]) =>
    Object.hasOwn(given, key) ? secretPlaces(inner, given[key], `${field}.${key}`, [...path, key]) : [],
  );
}

function labelOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const named = ITEM_NAMES.map(key => (item as Readonly<Record<string, unknown>>)[key]);
  return named.find(label => typeof label === 'string');
}

/** Branches of a union that have a field in common name the same place. */
function distinct(places: readonly SecretPlace[]): readonly SecretPlace[] {
  return [...new Map(places.map(place => [place.field, place])).values()];
}

/** The value with another one at a place; what stands beside it is the same. */
export function replaceAt(
  value: unknown,
  path: readonly (string | number)[],
  put: (held: unknown) => unknown,
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return put(value);
  if (Array.isArray(value)) return value.map((item, at) => (at === key ? replaceAt(item, rest, put) : item));
  if (typeof value !== 'object' || value === null) return value;
  const held = value as Readonly<Record<string, unknown>>;
  return { ...held, [key]: replaceAt(held[key], rest, put) };
}

/** What stands at a place; undefined: nothing. */
export function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (held, key) =>
      typeof held === 'object' && held !== null ? (held as Record<string | number, unknown>)[key] : undefined,
    value,
  );
}
