import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TokenContent } from './enrolment.ts';
import { decodeToken, encodeToken } from './token.ts';

const content: TokenContent = {
  for: 'device',
  urls: ['https://primary.example.org:8443', 'https://secondary.example.org:8443'],
  pins: ['A'.repeat(43)],
  secret: 'AAECAwQFBgcICQoLDA0ODw',
};

test('a token read back says what was put in', () => {
  assert.deepEqual(decodeToken(encodeToken(content)), { ok: true, content });
});

test('forgives white space of a wrapped paste', () => {
  const token = encodeToken(content);
  assert.equal(decodeToken(`  ${token.slice(0, 40)}\n  ${token.slice(40)}\n`).ok, true);
});

test('one wrong, missing or added character is told, whatever it is', () => {
  const token = encodeToken(content);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'Az09-_.'), (at, char) => {
      fc.pre(token[at] !== char);
      assert.equal(decodeToken(token.slice(0, at) + char + token.slice(at + 1)).ok, false);
    }),
  );
  for (const cut of [0, 5, 20, token.length - 1]) assert.equal(decodeToken(token.slice(0, cut)).ok, false);
});

test('never throws, whatever the text', () => {
  fc.assert(fc.property(fc.string(), text => assert.equal(typeof decodeToken(`thinman1.${text}`).ok, 'boolean')));
});
