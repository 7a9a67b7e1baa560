import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readUtf8 } from './utf8.ts';

test('bytes that are no UTF-8 are no text: two wrong ones would be the same', () => {
  assert.equal(readUtf8(Buffer.from('pässword')), 'pässword');
  assert.equal(readUtf8(Buffer.from('\ufeffpassword')), 'password');
  for (const wrong of [[0xe4], [0x70, 0xff], [0xed, 0xa0, 0x80], [0xc3]]) {
    assert.equal(readUtf8(Uint8Array.from(wrong)), undefined);
  }
});
