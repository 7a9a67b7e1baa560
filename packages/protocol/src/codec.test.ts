import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { describeProblems, parseJson, parseValue } from './codec.ts';
import { LoginRequest } from './login.ts';

const Closed = Type.Object({ a: Type.Integer(), b: Type.Optional(Type.String()) }, { additionalProperties: false });

test('coerces nothing: a number as text is refused', () => {
  const parsed = parseValue(Closed, { a: '1' });
  assert.ok(!parsed.ok);
  assert.equal(parsed.problems[0]?.field, 'a');
});

test('names an unknown field instead of dropping it', () => {
  const parsed = parseValue(Closed, { a: 1, c: true });
  assert.ok(!parsed.ok);
  assert.deepEqual(parsed.problems, [{ field: 'c', message: 'is not a known field' }]);
  assert.equal(describeProblems(parsed.problems), 'c: is not a known field');
});

test('refuses text that is not JSON, too long, or nested too deeply, as values and never by throwing', () => {
  for (const text of ['', '{', 'x'.repeat(101), `${'['.repeat(50)}${']'.repeat(50)}`]) {
    assert.equal(parseJson(Type.Unknown(), text, 100).ok, false, text);
  }
});

test('refuses half a character in any value and in any key, and says where: stored, it would be another text', () => {
  for (const [value, field] of [
    ['t\ud800', ''],
    [{ objects: [{}, { body: { password: 'abcdefg\udc00' } }] }, 'objects.1.body.password'],
    [{ body: { 'a\ud800b': 1 } }, ''],
  ] as const) {
    const parsed = parseValue(Type.Unknown(), value);
    assert.ok(!parsed.ok);
    assert.equal(parsed.problems[0]?.field, field);
    assert.match(parsed.problems[0]?.message ?? '', /lone surrogate/);
  }
  assert.ok(parseValue(Type.Unknown(), { '\u{1f600}': '\u{1f600}\ufffd' }).ok);
});

test('says what would be right: the words of a union, a missing field by its name, a pattern by its description', () => {
  const schema = Type.Object({
    role: Type.Union([Type.Literal('owner'), Type.Literal('viewer')]),
    inner: Type.Object({ host: Type.String() }),
    at: Type.String({ pattern: '^\\d+$', description: 'a number of digits' }),
  });
  const parsed = parseValue(schema, { role: 'king', inner: {}, at: 'x' });
  assert.ok(!parsed.ok);
  assert.deepEqual(
    new Map(parsed.problems.map(found => [found.field, found.message])),
    new Map([
      ['role', 'must be "owner" or "viewer"'],
      ['inner.host', 'is missing'],
      ['at', 'must be a number of digits'],
    ]),
  );
});

test('says of a choice what is wrong within the part that was written, and of none of the others', () => {
  const at = Type.Object({ from: Type.String({ pattern: '^[0-9:]+$', description: 'a time of day' }) });
  const schema = Type.Object({ hours: Type.Union([Type.Null(), at]) });
  const told = (hours: unknown) => {
    const parsed = parseValue(schema, { hours });
    return parsed.ok ? [] : parsed.problems.map(({ field, message }) => `${field} ${message}`);
  };
  assert.deepEqual(told({ from: 'x' }), ['hours.from must be a time of day']);
  assert.deepEqual(told({}), ['hours.from is missing']);
  assert.deepEqual(told(5), ['hours must be null or fields with values']);
  assert.deepEqual(told(null), []);
});

test('says where the bounds are', () => {
  const schema = Type.Object({
    percent: Type.Integer({ minimum: 1, maximum: 100 }),
    name: Type.String({ minLength: 1 }),
    all: Type.Array(Type.String(), { minItems: 1 }),
  });
  const told = (value: object) => {
    const parsed = parseValue(schema, value);
    return parsed.ok ? [] : parsed.problems.map(({ field, message }) => `${field} ${message}`);
  };
  assert.deepEqual(told({ percent: 0, name: '', all: [] }), [
    ...['percent must be at least 1', 'name must not be empty', 'all must not be empty'],
  ]);
  assert.deepEqual(told({ percent: 101, name: 'a', all: ['a'] }), ['percent must be at most 100']);
});

test('says how a text is written that YAML takes for a number', () => {
  const schema = Type.Object({ floor: Type.Array(Type.String()), name: Type.String() });
  const parsed = parseValue(schema, { floor: ['1', 2], name: [] });
  assert.ok(!parsed.ok);
  assert.deepEqual(parsed.problems, [
    { field: 'floor.1', message: 'must be text: put it between quotation marks' },
    { field: 'name', message: 'must be text' },
  ]);
});

test('bounds the number of mistakes it reports', () => {
  const hostile = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`x${n}`, n]));
  const parsed = parseValue(Closed, hostile);
  assert.ok(!parsed.ok);
  assert.ok(parsed.problems.length <= 20);
});

test('a login with a password in the derived form is refused: nothing secret rides along', () => {
  const parsed = parseValue(LoginRequest, {
    method: 'derived',
    loginId: '01936b1c-0000-7000-8000-000000000000',
    user: 'alice',
    salt: 'AAAAAAAAAAAAAAAAAAAAAA',
    kdf: { algorithm: 'argon2id', memoryKib: 65536, passes: 2, lanes: 1 },
    proof: 'AA',
    password: 'oops',
  });
  assert.equal(parsed.ok, false);
});

test('the first values are judged by the schema, later ones by what is compiled of it: by the same rules, in the same words', () => {
  const Strict = Type.Object(
    {
      name: Type.String({ minLength: 2, pattern: '^[a-z]+$' }),
      at: Type.Optional(Type.Integer({ minimum: 0 })),
      form: Type.Union([Type.Literal('one'), Type.Object({ of: Type.Array(Type.String(), { maxItems: 2 }) })]),
    },
    { additionalProperties: false },
  );
  const values = [
    { name: 'abc', form: 'one' },
    { name: 'abc', at: 1, form: { of: ['a', 'b'] } },
    { name: 'a', form: 'one' },
    { name: 'ABC', form: 'one' },
    { name: 'abc', at: -1, form: 'one' },
    { name: 'abc', at: 1.5, form: 'one' },
    { name: 'abc', at: '1', form: 'one' },
    { name: 'abc', form: { of: ['a', 'b', 'c'] } },
    { name: 'abc', form: 'two' },
    { name: 'abc', form: 'one', more: true },
    { form: 'one' },
    null,
    [],
    'abc',
  ];
  const verdicts = values.map(value => {
    // A copy is another schema: each value meets one that nothing was judged by yet.
    const fresh = structuredClone(Strict) as typeof Strict;
    const [first, second, third] = [1, 2, 3].map(() => parseValue(fresh, value));
    assert.deepEqual(second, first);
    assert.deepEqual(third, first);
    return first?.ok;
  });
  assert.deepEqual(verdicts.slice(0, 3), [true, true, false]);
  assert.equal(verdicts.filter(ok => ok).length, 2);
});
