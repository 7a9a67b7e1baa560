import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AndFilter, BerReader, BerWriter, EqualityFilter, FilterParser, OrFilter, SubstringFilter } from 'ldapts';
import { dnValue, filledFilter, firstValueOf } from './filters.ts';

const RUNS = 1_000;
const USERS = '(&(objectClass=person)(|(uid={user})(mail={upn}))(cn=x*{user}*y))';

/** What people type who want more than to log in, and anything else. */
const typed = fc.oneof(
  fc.constantFrom(
    '*',
    ')(uid=*',
    '*)(uid=*))(|(uid=*',
    'a\\2a',
    '\\',
    '\0',
    '(',
    ')',
    '&',
    '{upn}',
    'é',
    '\u{1f600}',
    'a,b=c',
    '#x',
    ' ',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .array(fc.constantFrom('(', ')', '*', '\\', '|', '&', '!', '=', 'a', '\0', '{user}', ','), { maxLength: 20 })
    .map(parts => parts.join('')),
);

test('whatever is typed is one value of a filter, on the wire too', () => {
  fc.assert(
    fc.property(typed, user => {
      const writer = new BerWriter();
      filledFilter(USERS, { user, upn: `${user}@lab.test` }).write(writer);
      const read = FilterParser.parse(new BerReader(writer.buffer));
      assert.ok(read instanceof AndFilter && read.filters.length === 3);
      const [kind, names, part] = read.filters;
      assert.ok(kind instanceof EqualityFilter && kind.value === 'person');
      assert.ok(names instanceof OrFilter && names.filters.length === 2);
      const utf8 = (text: string) => Buffer.from(text).toString();
      const [uid, mail] = names.filters;
      assert.ok(uid instanceof EqualityFilter && uid.attribute === 'uid' && uid.value === utf8(user));
      assert.ok(mail instanceof EqualityFilter && mail.value === utf8(`${user}@lab.test`));
      assert.ok(part instanceof SubstringFilter && part.any.join() === utf8(user));
    }),
    { numRuns: RUNS },
  );
});

test('whatever is typed is one value of a DN', () => {
  fc.assert(
    fc.property(
      typed.filter(text => text.isWellFormed()),
      user => {
        const dn = `uid=${dnValue(user)},ou=people,dc=lab,dc=test`;
        assert.equal(firstValueOf(dn), user);
        // RFC 4514: only what is escaped may be special.
        assert.match(dn, /^uid=(?:[^\\,+"<>;=#\0]|\\[\da-f]{2})*,ou=people,dc=lab,dc=test$/u);
      },
    ),
    { numRuns: RUNS },
  );
});

test('a placeholder that is typed stays what was typed', () => {
  const filter = filledFilter('(|(uid={user})(mail={upn}))', { user: '{upn}', upn: 'secret' });
  assert.ok(filter instanceof OrFilter);
  assert.equal((filter.filters[0] as EqualityFilter).value, '{upn}');
});

test('a filter that does not parse is refused', () => {
  for (const filter of ['', '(uid={user}', '(&)', 'uid'])
    assert.throws(() => filledFilter(filter, { user: 'a' }), filter);
});

test('the first value of a DN is read as RFC 4514 writes it', () => {
  assert.equal(firstValueOf('CN=Ward\\, 3,OU=x'), 'Ward, 3');
  assert.equal(firstValueOf('cn=caf\\c3\\a9+ou=x,dc=y'), 'café');
  assert.equal(firstValueOf('nonsense'), undefined);
});
