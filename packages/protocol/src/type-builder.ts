// TypeBox's builder of schemas as far as this project uses it, in the place of `typebox` in the commands' bundles (ADR 0112): a schema is
// JSON, and TypeBox's own builder brings a parser of TypeScript and a calculus of types, a quarter of an agent's text. Sources and their
// types keep TypeBox; `scripts/bundle-plugins.test.ts` holds what both build against each other.

type Schema = Readonly<Record<string, unknown>>;
type Options = Schema | undefined;

/** Hidden, as TypeBox has it: it is no word of JSON Schema. */
const OPTIONAL = '~optional';
/** TypeBox's pattern of any key. */
const ANY_KEY = '^.*$';

const isOptional = (schema: Schema) => Object.hasOwn(schema, OPTIONAL);
const plain = (type: string) => (options?: Options) => ({ type, ...options });

/** Where all fields are optional no list of the others is there. */
function fields(properties: Readonly<Record<string, Schema>>, options?: Options): Schema {
  const required = Object.keys(properties).filter(name => !isOptional(properties[name] ?? {}));
  return { type: 'object', ...(required.length > 0 && { required }), properties, ...options };
}

function optional(schema: Schema): Schema {
  return Object.defineProperty({ ...schema }, OPTIONAL, { value: true });
}

export default {
  Array: (items: Schema, options?: Options) => ({ type: 'array', items, ...options }),
  Boolean: plain('boolean'),
  Integer: plain('integer'),
  Literal: (value: string | number | boolean, options?: Options) => ({ type: typeof value, const: value, ...options }),
  Null: plain('null'),
  Number: plain('number'),
  Object: fields,
  Optional: optional,
  Partial({ properties }: { readonly properties: Readonly<Record<string, Schema>> }, options?: Options): Schema {
    const all = Object.entries(properties).map(([name, schema]) => [name, optional(schema)]);
    return fields(Object.fromEntries(all), options);
  },
  Record(key: Schema, value: Schema, options?: Options): Schema {
    if (key.type !== 'string' || Object.hasOwn(key, 'const')) throw new Error('keys of a record are any strings');
    return { type: 'object', patternProperties: { [String(key.pattern ?? ANY_KEY)]: value }, ...options };
  },
  String: plain('string'),
  Tuple: (items: readonly Schema[], options?: Options) => ({
    ...{ type: 'array', additionalItems: false, items, minItems: items.length },
    ...options,
  }),
  Union: (anyOf: readonly Schema[], options?: Options) => ({ anyOf, ...options }),
  Unknown: (options?: Options) => ({ ...options }),
  Unsafe: (schema: Schema) => ({ ...schema }),
};
