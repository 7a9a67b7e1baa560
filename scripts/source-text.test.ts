// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these strings are source text to look at
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf, maskText } from './source-text.ts';

const mask = (text: string) => maskText(text).replace(/ +/g, ' ').trim();

test('keeps code and the place of every character', () => {
  const text = "const a = 'x'; // note\nconst b = `y${a + `z${a}`}` /* c */;\n";
  const masked = maskText(text);
  assert.equal(masked.length, text.length);
  assert.equal(masked.indexOf('const b'), text.indexOf('const b'));
  assert.equal(mask(text), "const a = ' '; \nconst b = ` ${a + ` ${a}`}` ;");
});

test('knows text from code', () => {
  assert.equal(mask('a("it\'s // \\" no comment") + b'), 'a(" ") + b');
  assert.equal(mask("a / b; 'c' / d"), "a / b; ' ' / d");
  assert.equal(mask("x = /['\"`/*]\\/'/g; y"), 'x = / ; y');
  assert.equal(mask("return /'/.test(x)"), 'return / .test(x)');
  assert.equal(mask('f(a) / 2 // "half"'), 'f(a) / 2');
  assert.equal(mask('`${{ a: { b } }.a} don\'t` + "c"'), '`${{ a: { b } }.a} ` + " "');
  assert.equal(mask('`a\\`b$c` + d'), '` ` + d');
});

test('ends an unclosed string at the end of its line, as in the text of a page', () => {
  assert.equal(mask("<p>don't</p>\nconst a = 1;"), "<p>don' \nconst a = 1;");
});

test('finds every kind of import', () => {
  const text = [
    "import 'a';",
    "import b, { type c } from 'b';",
    "import type { d } from 'c';",
    'import {',
    '  e,',
    "} from 'd';",
    "export * as f from 'e';",
    "export type { g } from 'f';",
    "const h = await import('g');",
    "// import 'no';",
    'const i = "import \'no\'";',
    "export const from = 'no';",
    "export default 'no';",
    "object.import('no');",
  ].join('\n');
  assert.deepEqual(
    importsOf(text, maskText(text)).map(
      ({ specifier, line, typeOnly }) => `${specifier}${line}${typeOnly ? ' type' : ''}`,
    ),
    ['a1', 'b2', 'c3 type', 'd6', 'e7', 'f8 type', 'g9'],
  );
});
