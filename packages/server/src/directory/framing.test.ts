import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createFramer } from './framing.ts';

/** An element with a length of so many bytes as it needs, or of four. */
function element(tag: number, content: Buffer, isLong = false): Buffer {
  if (content.length < 0x80 && !isLong) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([Buffer.from([tag, 0x84]), length, content]);
}
const ID = Buffer.from('020101', 'hex');
const message = (operation: number, content: Buffer, isLong = false) =>
  element(0x30, Buffer.concat([ID, element(operation, content, isLong)]), isLong);
const entry = (bytes: number) => message(0x64, element(0x04, Buffer.alloc(bytes)));
const DONE = message(0x65, Buffer.from('0a010004000400', 'hex'));

describe('what a directory sends', () => {
  test('is the same messages, however it is cut', () => {
    const anyMessage = fc
      .tuple(fc.constantFrom(0x61, 0x64, 0x65, 0x73, 0x78), fc.uint8Array({ maxLength: 300 }), fc.boolean())
      .map(([operation, bytes, isLong]) => message(operation, element(0x04, Buffer.from(bytes)), isLong));
    fc.assert(
      fc.property(
        fc.array(anyMessage, { maxLength: 20 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 400 })),
        (sent, cuts) => {
          const framer = createFramer();
          const heard: Buffer[] = [];
          const all = Buffer.concat(sent);
          for (let at = 0; at < all.length; ) {
            const bytes = cuts.next().value ?? 1;
            const { messages, broken } = framer.push(all.subarray(at, at + bytes));
            assert.equal(broken, undefined);
            heard.push(...messages);
            at += bytes;
          }
          assert.deepEqual(heard, sent);
        },
      ),
    );
  });

  test('that is anything else ends it, whatever it is, and nothing after it is read', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), noise => {
        const framer = createFramer({ messageBytes: 1_000, unfinishedBytes: 10_000 });
        let isBroken = false;
        for (const bytes of noise) {
          const { messages, broken } = framer.push(Buffer.from(bytes));
          if (isBroken) assert.deepEqual(messages, []);
          isBroken ||= broken !== undefined;
        }
      }),
      { numRuns: 500 },
    );
    const BAD = {
      'no message': Buffer.from('HTTP/1.1 400 Bad Request'),
      'a length without an end': Buffer.from('3080', 'hex'),
      'a length of five bytes': Buffer.from('30850000000001', 'hex'),
      'a gigabyte': Buffer.from('308440000000', 'hex'),
      'an inner length beyond the outer one': Buffer.from('300502010164ff', 'hex'),
      'an inner element that is not filled': Buffer.from('30070201016402040a', 'hex'),
      'no id': Buffer.from('30020400', 'hex'),
      'nothing in it': Buffer.from('3000', 'hex'),
      'a thousand elements in each other': Array.from({ length: 1_000 }).reduce<Buffer>(
        inner => element(0x30, inner),
        ID,
      ),
    };
    for (const [what, bytes] of Object.entries(BAD)) {
      const { messages, broken } = createFramer().push(Buffer.concat([DONE, bytes]));
      assert.deepEqual(messages, [DONE], what);
      assert.ok(broken !== undefined, what);
    }
  });

  test('may have many parts, and must come to an end', () => {
    const framer = createFramer({ messageBytes: 2_000, unfinishedBytes: 10_000 });
    for (let search = 0; search < 5; search += 1) {
      for (let part = 0; part < 9; part += 1) assert.equal(framer.push(entry(1_000)).broken, undefined);
      assert.equal(framer.push(DONE).broken, undefined);
    }
    let parts = 0;
    for (; parts < 20 && framer.push(entry(1_000)).broken === undefined; ) parts += 1;
    assert.equal(parts, 9);
    assert.ok(createFramer({ messageBytes: 2_000, unfinishedBytes: 10_000 }).push(entry(2_000)).broken !== undefined);
  });
});
