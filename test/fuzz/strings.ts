import fc, { type Arbitrary } from 'fast-check';

/** Names that mean something on the sites that are fuzzed, so that random objects refer to each other. */
export const NAMES = ['alice', 'bob', 'tc-1', 'ward', 'admin', 'primary', 'secondary', 'site', 'é', 'a', 'b', 'c'];

/** For texts of a form: names, ids, hashes, moments, addresses, types of events, colours, times of the day. */
const FITTING = [
  ...NAMES,
  ...['11111111-2222-4333-8444-555555555555', 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee', 'A'.repeat(43), 'c2VjcmV0', ''],
  ...['2027-01-31T12:00:00Z', '9999-99-99T99:99:99.999Z', '0000-00-00T00:00:00Z', '07:30', '99:99'],
  ...[
    'https://a.example:8443',
    'https://[::1]',
    'ldaps://dc1.example.org',
    'login',
    'login.answered',
    '#ffffff',
    'Mon',
    '10.0.0.0/8',
    'lab.test',
    '01234567',
    'uid={user},dc=example',
  ],
  ...['de_DE', 'Europe/Berlin', '2026-12-01T06:00', '2027-03-28T02:30', 'a1'.repeat(32), 'https://files.example/a.png'],
];

/** Longest texts that are made as a matter of course; `HOSTILE` has the large ones. */
const USUAL_CHARS = 40;
/** What some names may have at most, and more than any. */
const LENGTHS = [64, 128, 300];

/**
 * What looks like something else, has no width, turns the line round, grows or becomes another one in a normal form or another
 * case, takes two places in UTF-16, or means nothing at all.
 */
const ODD = [
  ...['\u0000', '\u0007', '\u001b', '\u007f', '\u0085', '\u00a0', '\u00ad', '\u200b', '\u200d', '\u202e', '\u2066'],
  ...['\u2028', '\u3000', '\u3164', '\ufe0f', '\ufeff', '\ufffd', '\ufffe', '\u{e0041}', '\u{10ffff}'],
  ...['\u0301', '\u0345', '\u0e33', '\u05b0', '\u0fb2\u0f71', '\u1100\u1161', 'a\u0323\u0307', 'e\u0301', '\u2126'],
  ...[
    '\u212b',
    '\u1e9b\u0323',
    '\ufb03',
    '\ufdfa',
    '\u0130',
    '\u0131',
    '\u00df',
    '\u1e9e',
    '\u03c2',
    '\u0149',
    '\u0390',
  ],
  ...['\u0430', '\uff21', '\u{1d400}', '\u{1f468}\u200d\u{1f469}', '\u{1f1e9}\u{1f1ea}', '\u0661', '\u00b2', '\ue000'],
];

/**
 * Any character, the odd ones often. Not `unit: 'binary'`: that makes a table of all of Unicode for each process.
 * No half of a surrogate pair: those are refused by the codec, and tested there.
 */
const LAST_CODE_POINT = 0x10ffff;
const SURROGATES = { from: 0xd800, to: 0xdfff };
export const anyChar: Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map(code => String.fromCodePoint(code)) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD) },
  {
    weight: 2,
    arbitrary: fc
      .nat(LAST_CODE_POINT - (SURROGATES.to - SURROGATES.from + 1))
      .map(at => String.fromCodePoint(at < SURROGATES.from ? at : at + SURROGATES.to - SURROGATES.from + 1)),
  },
);

/** Any text of so many pieces; some of `ODD` are two characters. */
export const anyText = (bounds: { readonly minLength?: number; readonly maxLength?: number } = {}) =>
  fc.string({ ...bounds, unit: anyChar });

export type TextSchema = { readonly pattern?: string; readonly minLength?: number; readonly maxLength?: number };

/** Texts of a schema: often one that means something, else any that fits, now and then as long as may be. */
export function textsOf({
  pattern,
  minLength = 0,
  maxLength = Number.POSITIVE_INFINITY,
}: TextSchema): Arbitrary<string> {
  const fits = ({ length }: string) => length >= minLength && length <= maxLength;
  const usual = anyText({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, USUAL_CHARS)) });
  const plain = usual.map(text => cut(text, maxLength));
  const names = NAMES.filter(fits);
  if (pattern === undefined) return names.length > 0 ? fc.oneof(fc.constantFrom(...names), plain) : plain;
  const form = new RegExp(pattern);
  const known = FITTING.filter(text => form.test(text) && fits(text));
  const some = fc.constantFrom(...(known.length > 0 ? known : NAMES));
  const long = fc.tuple(anyChar, fc.constantFrom(...LENGTHS)).map(([char, times]) => char.repeat(times));
  const others = takesAnyScript(form)
    ? fc.oneof(plain, long).map(text => refit(cut(text.normalize('NFC'), maxLength), form))
    : isCheap(pattern) && maxLength === Number.POSITIVE_INFINITY
      ? matching(pattern)
      : some;
  return fc.oneof({ weight: 2, arbitrary: some }, { weight: 1, arbitrary: others });
}

/** A form of names, not of what programs make. */
const takesAnyScript = (form: RegExp) => ['\u03a9-7', '\u540d\u524d', 'x_y.z'].every(text => form.test(text));

/** `stringMatching` looks at all of Unicode for what is *not* this or that; with a length besides it throws nearly all away. */
const isCheap = (pattern: string) => !pattern.includes('[^');

/** What takes long to make is made once. */
const made = new Map<string, Arbitrary<string>>();
function matching(pattern: string): Arbitrary<string> {
  const before = made.get(pattern);
  if (before !== undefined) return before;
  const arbitrary = fc.stringMatching(new RegExp(pattern));
  made.set(pattern, arbitrary);
  return arbitrary;
}

/** Without the characters that the form refuses; nothing is left of some. */
function refit(text: string, form: RegExp): string {
  const taken = [...text].filter(char => form.test(`a${char}`)).join('');
  return [taken, `x${taken.slice(1)}`].find(name => form.test(name)) ?? 'x';
}

/** To this length in UTF-16, without half a character at the end. */
function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const short = text.slice(0, maxLength);
  return short.isWellFormed() ? short : short.slice(0, -1);
}
