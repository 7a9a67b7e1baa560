import { MAX_NAME_LENGTH, nameProblem } from '@thinman/protocol';
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

/**
 * A directory's name as an object could have it: what names cannot have is written as `-` ("Ward 3 Nurses" → `Ward-3-Nurses`).
 * undefined: nothing is left of it. `maxLength`: what stands behind it may need room.
 */
export function thinmanName(given: string, maxLength: number = MAX_NAME_LENGTH): string | undefined {
  const characters = Array.from(given.normalize('NFC').trim(), character =>
    nameProblem(`x${character}`) === undefined ? character : '-',
  );
  const name = cut(characters.join('').replace(/^[-.]+/, ''), maxLength);
  return nameProblem(name) === undefined ? name : undefined;
}

/** At most so many UTF-16 units, and no half of a character at the end. */
function cut(text: string, maxLength: number): string {
  const short = text.slice(0, maxLength);
  return short.isWellFormed() ? short : short.slice(0, -1).toWellFormed();
}

/** Goes into session tokens, which are small. */
const MAX_DISPLAY_NAME = 128;
/** Control characters, and those that turn the text around them. */
const UNSHOWN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** What a person is called, as it may be shown anywhere. */
export function displayNameOf(entry: Entry): string | undefined {
  const given = textOf(entry, 'displayName') ?? textOf(entry, 'cn');
  const shown = given === undefined ? '' : cut(given.toWellFormed().replaceAll(UNSHOWN, ' ').trim(), MAX_DISPLAY_NAME);
  return shown === '' ? undefined : shown;
}
