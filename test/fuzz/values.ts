import fc, { type Arbitrary } from 'fast-check';
import type { TSchema } from 'typebox';
import { anyText, NAMES, type TextSchema, textsOf } from './strings.ts';

/** What JSON Schema says, as far as the protocol's schemas say it. */
type Schema = {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema | readonly Schema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
} & TextSchema;

/** Longest lists that are made as a matter of course; `HOSTILE` has the large ones. */
const USUAL_ITEMS = 3;

/** What has broken a program somewhere before. */
export const HOSTILE: readonly unknown[] = [
  ...[null, true, 0, -1, -0, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 5e-324, 8_640_000_000_000_001],
  ...[
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    '\u202e',
    'é',
    'e\u0301',
    '__proto__',
    'constructor',
    'toString',
    '../../etc/passwd',
  ],
  ...[
    "'; DROP TABLE objects; --",
    '#{7*7}',
    '%00',
    '%',
    '\r\nset-cookie: a=b',
    '-rf',
    '.',
    'NaN',
    '1e999',
    '9'.repeat(400),
  ],
  ...['x'.repeat(70_000), '💥'.repeat(300), 'A'.repeat(43), '00000000-0000-0000-0000-000000000000'],
  ...[[], {}, [[]], [null], { toString: 1 }, { constructor: { name: 1 } }, { length: -1 }, { toJSON: 1 }],
  nested(40),
  nested(500),
  Array.from({ length: 2_000 }, (_, n) => n),
  Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`k${n}`, n])),
];

const HOSTILE_KEYS = ['', '__proto__', 'constructor', 'toString', 'length', 'a.b', '\0', 'password', 'x'.repeat(5_000)];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** Values of a schema. */
export function valuesOf(schema: TSchema): Arbitrary<unknown> {
  return arbitraryOf(schema as Schema);
}

function arbitraryOf(schema: Schema): Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(arbitraryOf));
  switch (schema.type) {
    case 'string':
      return textsOf(schema);
    case 'integer':
      return fc.oneof(fc.integer(bounds(schema, 100)), fc.integer(bounds(schema, Number.MAX_SAFE_INTEGER)));
    case 'number':
      return fc.oneof(fc.integer(bounds(schema, 1000)), fc.double({ ...limits(schema), noNaN: true }));
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return lists(schema);
    case 'object':
      return objects(schema);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function limits({ minimum = -Number.MAX_VALUE, maximum = Number.MAX_VALUE }: Schema) {
  return { min: minimum, max: maximum };
}

function bounds({ minimum = -1, maximum = Number.MAX_SAFE_INTEGER }: Schema, usual: number) {
  return { min: Math.ceil(minimum), max: Math.max(Math.ceil(minimum), Math.min(maximum, usual)) };
}

function lists({ items = {}, minItems = 0, maxItems = USUAL_ITEMS }: Schema): Arbitrary<unknown[]> {
  if (Array.isArray(items)) return fc.tuple(...(items as readonly Schema[]).map(arbitraryOf));
  const maxLength = Math.max(minItems, Math.min(maxItems, USUAL_ITEMS));
  return fc.array(arbitraryOf(items as Schema), { minLength: minItems, maxLength });
}

function objects({ properties = {}, required = [], patternProperties }: Schema): Arbitrary<unknown> {
  const fields = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, arbitraryOf(field)])),
    { requiredKeys: [...required] },
  );
  const [values] = Object.values(patternProperties ?? {});
  if (values === undefined) return fields;
  const more = fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), anyText()), arbitraryOf(values), {
    maxKeys: USUAL_ITEMS,
  });
  return fc.tuple(more, fields).map(([others, own]) => ({ ...others, ...(own as object) }));
}

/** What is done to a value: `where` and `what` choose a place in it and the deed. */
type Mutation = { readonly where: number; readonly what: number; readonly hostile: number };
/** Of the cases in `mutate`; the last ones are all `default`, the most telling. */
const LAST_DEED = 5;
const mutations = fc.array(
  fc.record({ where: fc.nat(), what: fc.nat(LAST_DEED), hostile: fc.nat(HOSTILE.length - 1) }),
  { maxLength: 3 },
);

/** JSON text of a value of the schema: whole, with a few places made wrong, or cut and garbled as text. */
export function bodiesOf(schema: TSchema | undefined): Arbitrary<string> {
  const values = schema === undefined ? fc.jsonValue({ maxDepth: 3 }) : valuesOf(schema);
  const mutated = fc.tuple(values, mutations).map(([value, deeds]) => toText(deeds.reduce(mutate, value)));
  const garbled = fc.tuple(mutated, fc.nat(), anyText({ maxLength: 8 })).map(([text, at, junk]) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + junk + (at % 2 === 0 ? text.slice(cut + junk.length) : '');
  });
  const any = fc.constantFrom(
    ...HOSTILE.map(toText),
    '['.repeat(100_000),
    '{"a":'.repeat(30_000),
    '\ufeff{}',
    '0'.repeat(99),
  );
  return fc.oneof(
    { weight: 4, arbitrary: values.map(toText) },
    { weight: 6, arbitrary: mutated },
    { weight: 2, arbitrary: garbled },
    { weight: 1, arbitrary: any },
    { weight: 1, arbitrary: anyText() },
  );
}

const toText = (value: unknown) => JSON.stringify(value) ?? '';

type Place = { readonly holder: Record<string, unknown>; readonly key: string };

function mutate(value: unknown, { where, what, hostile }: Mutation): unknown {
  const copy = structuredClone({ value });
  const places = placesIn(copy);
  const place = places[where % places.length];
  if (place === undefined) return value;
  const { holder, key } = place;
  switch (what) {
    case 0:
      delete holder[key];
      break;
    case 1:
      if (!Array.isArray(holder)) addOwn(holder, HOSTILE_KEYS[hostile % HOSTILE_KEYS.length] ?? '', holder[key]);
      break;
    case 2:
      holder[key] = [holder[key], holder[key]];
      break;
    default:
      holder[key] = HOSTILE[hostile];
  }
  return copy.value;
}

/** Also `__proto__`, which an assignment would take for something else. */
function addOwn(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function placesIn(root: object): readonly Place[] {
  const places: Place[] = [];
  const open: object[] = [root];
  for (let holder = open.pop(); holder !== undefined; holder = open.pop()) {
    for (const [key, inner] of Object.entries(holder)) {
      places.push({ holder: holder as Record<string, unknown>, key });
      if (typeof inner === 'object' && inner !== null) open.push(inner);
    }
  }
  return places;
}
