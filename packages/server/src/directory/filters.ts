import {
  AndFilter,
  ApproximateFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  FilterParser,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts';

/** What may stand in a filter, in braces, by name. */
export type Placeholders = Readonly<Record<string, string>>;

/**
 * An administrator's filter with what users typed in it. The text is parsed first and filled in afterwards, value by value: whatever
 * was typed can be nothing but a value. Throws on a filter that does not parse.
 */
export function filledFilter(text: string, values: Placeholders): Filter {
  return fill(FilterParser.parseString(text), values);
}

function fill(filter: Filter, values: Placeholders): Filter {
  const put = (text: string) => text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
  const putAny = (value: Buffer | string) => (typeof value === 'string' ? put(value) : value);
  const all = (filters: readonly Filter[]) => filters.map(each => fill(each, values));
  if (filter instanceof AndFilter) return new AndFilter({ filters: all(filter.filters) });
  if (filter instanceof OrFilter) return new OrFilter({ filters: all(filter.filters) });
  if (filter instanceof NotFilter) return new NotFilter({ filter: fill(filter.filter, values) });
  const { attribute } = filter as { attribute?: string };
  const at = { ...(attribute !== undefined && { attribute }) };
  if (filter instanceof EqualityFilter) return new EqualityFilter({ ...at, value: putAny(filter.value) });
  if (filter instanceof PresenceFilter) return filter;
  if (filter instanceof SubstringFilter) {
    const { initial, any, final } = filter;
    return new SubstringFilter({ ...at, initial: put(initial), any: any.map(put), final: put(final) });
  }
  if (filter instanceof ExtensibleFilter) {
    const { rule, matchType, dnAttributes, value } = filter;
    return new ExtensibleFilter({ rule, matchType, dnAttributes, value: put(value) });
  }
  if (filter instanceof ApproximateFilter) return new ApproximateFilter({ ...at, value: put(filter.value) });
  if (filter instanceof GreaterThanEqualsFilter)
    return new GreaterThanEqualsFilter({ ...at, value: put(filter.value) });
  if (filter instanceof LessThanEqualsFilter) return new LessThanEqualsFilter({ ...at, value: put(filter.value) });
  throw new TypeError('a filter of a kind that is not known');
}

/** The same filter for whoever there is: where a name would stand, any value does. undefined: it cannot be said so. */
export function anybodysFilter(text: string): Filter | undefined {
  return anybody(FilterParser.parseString(text));
}

const PLACEHOLDER = /\{\w+\}/;

function anybody(filter: Filter): Filter | undefined {
  if (filter instanceof AndFilter || filter instanceof OrFilter) {
    const filters: Filter[] = [];
    for (const each of filter.filters) {
      const one = anybody(each);
      if (one === undefined) return undefined;
      filters.push(one);
    }
    return filter instanceof AndFilter ? new AndFilter({ filters }) : new OrFilter({ filters });
  }
  if (!PLACEHOLDER.test(filter.toString())) return filter;
  if (filter instanceof NotFilter || filter instanceof ExtensibleFilter) return undefined;
  const { attribute } = filter as { attribute?: string };
  return attribute === undefined ? undefined : new PresenceFilter({ attribute });
}

/** Characters that mean something in a DN (RFC 4514, 2.4), and control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it escapes
const SPECIAL = /[\u0000-\u001f"+,;<>\\=#]/g;

/** A value as it may stand in a DN: it can be no other part of it. */
export function dnValue(value: string): string {
  const escaped = value.replaceAll(SPECIAL, character => hexOf(character));
  return escaped.replace(/^ /, '\\20').replace(/ $/, '\\20');
}

function hexOf(character: string): string {
  return Array.from(Buffer.from(character), byte => `\\${byte.toString(16).padStart(2, '0')}`).join('');
}

/** The first value of a DN (`cn=Ward 3,ou=…` → `Ward 3`); undefined: it has none. */
export function firstValueOf(dn: string): string | undefined {
  const match = /^[^=]+=((?:\\.|[^\\,+])*)/.exec(dn);
  const raw = match?.[1];
  if (raw === undefined) return undefined;
  const bytes: Buffer[] = [];
  for (let at = 0; at < raw.length; at += 1) {
    const hex = raw[at] === '\\' ? /^[\da-f]{2}/i.exec(raw.slice(at + 1)) : null;
    if (hex !== null) {
      bytes.push(Buffer.from(hex[0], 'hex'));
      at += 2;
    } else {
      if (raw[at] === '\\') at += 1;
      const [character = ''] = raw.slice(at);
      bytes.push(Buffer.from(character));
      at += character.length - 1;
    }
  }
  return Buffer.concat(bytes).toString();
}
