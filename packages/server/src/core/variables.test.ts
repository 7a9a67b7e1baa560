import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fillText, fillValue, isVariable, parseTemplate, type Variables } from './variables.ts';

/** A variable as it is written; a template text in the source would be taken for a mistake. */
const v = (inner: string) => `$\{${inner}}`;

const VARIABLES: Variables = {
  device: { name: 'tc-1', group: 'ward-3', attributes: { ward: 'w3', empty: '' } },
  user: { name: 'alice', displayName: 'Alice Rossi', attributes: { shift: 'night' } },
  site: { name: 'St. Anna' },
};

const FILLED: readonly [text: string, filled: string | undefined][] = [
  ['plain', 'plain'],
  ['costs 5 $', 'costs 5 $'],
  [`$${v('user.name')}`, v('user.name')],
  [`${v('user.name')}@${v('device.name')}`, 'alice@tc-1'],
  [v('device.group'), 'ward-3'],
  [v('site.name'), 'St. Anna'],
  [v('user.displayName'), 'Alice Rossi'],
  [v('user.attribute.shift'), 'night'],
  [v('device.attribute.ward'), 'w3'],
  [v('device.attribute.empty:-x'), ''],
  [v('device.attribute.floor'), undefined],
  [v('device.attribute.floor:-ground'), 'ground'],
  [v('device.attribute.floor:-'), ''],
  [v('device.attribute.floor:-a:-b'), 'a:-b'],
  [v('device.attribute.constructor'), undefined],
  [v('user.attribute.ward'), undefined],
];

describe('variables', () => {
  for (const [text, filled] of FILLED) {
    test(`${text} → ${filled ?? 'no value'}`, () => {
      const found = fillText(text, VARIABLES);
      assert.equal(found.ok ? found.value : undefined, filled);
    });
  }

  test('a user without a name to show is shown by the name of the login; where no user is, there is no value', () => {
    const { site, device } = VARIABLES;
    const of = (user: Variables['user']) => fillText(v('user.displayName'), { site, device, user });
    assert.deepEqual(of({ name: 'bob' }), { ok: true, value: 'bob' });
    assert.deepEqual(of(undefined), { ok: false, missing: 'user.displayName' });
  });

  test('what is written wrong is told', () => {
    for (const text of ['${', 'a ${user.name', v(''), v(':-x')]) assert.equal(parseTemplate(text).kind, 'wrong', text);
    for (const name of ['user', 'user.attribute', 'user.attribute.', 'device.group.name', ' user.name', 'toString']) {
      assert.ok(!isVariable(name), name);
    }
  });

  test('a value in which there is nothing to fill stays the same object; texts in lists and objects are filled', () => {
    const plain = { a: [1, 'x', { b: null }] };
    const same = fillValue(plain, VARIABLES);
    assert.ok(same.ok && same.value === plain);
    assert.deepEqual(fillValue({ a: [v('user.name'), 7] }, VARIABLES), { ok: true, value: { a: ['alice', 7] } });
  });

  test('every text can be written, by its escape, and nothing that is filled in is read again', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        // `$` before an escape would belong to it: it cannot be said, and is not in the text.
        fc.pre(!text.includes('$$'));
        const escaped = text.replaceAll('${', '$$${');
        assert.deepEqual(fillText(escaped, VARIABLES), { ok: true, value: text });
        const user = { name: text };
        assert.deepEqual(fillText(v('user.name'), { ...VARIABLES, user }), { ok: true, value: text });
      }),
    );
  });
});
