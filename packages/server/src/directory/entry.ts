import { nameProblem } from '@thinman/protocol';
import type { Entry } from 'ldapts';

/** All values of an attribute, as text; servers write the names of attributes in cases of their own. */
export function textsOf(entry: Entry, attribute: string): readonly string[] {
  return valuesOf(entry, attribute).map(value => value.toString());
}

export function textOf(entry: Entry, attribute: string): string | undefined {
  return textsOf(entry, attribute).find(value => value !== '');
}

export function bytesOf(entry: Entry, attribute: string): Buffer | undefined {
  const [value] = valuesOf(entry, attribute);
  return typeof value === 'string' ? Buffer.from(value) : value;
}

/** An integer of at most 64 bits; undefined: none, or no number. */
export function integerOf(entry: Entry, attribute: string): bigint | undefined {
  const text = textOf(entry, attribute);
  return text !== undefined && /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
}

function valuesOf(entry: Entry, attribute: string): readonly (string | Buffer)[] {
  const wanted = attribute.toLowerCase();
  const key = Object.keys(entry).find(name => name.toLowerCase() === wanted);
  const value = key === undefined ? undefined : entry[key];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

const MAX_NAME_CHARACTERS = 128;

/**
 * A directory's name as an object could have it: what names cannot have is written as `-` ("Ward 3 Nurses" → `Ward-3-Nurses`).
 * undefined: nothing is left of it.
 */
export function thinmanName(given: string): string | undefined {
  const characters = Array.from(given.normalize('NFC').trim(), character =>
    nameProblem(`x${character}`) === undefined ? character : '-',
  );
  const name = characters
    .join('')
    .replace(/^[-.]+/, '')
    .slice(0, MAX_NAME_CHARACTERS);
  return nameProblem(name) === undefined ? name : undefined;
}
