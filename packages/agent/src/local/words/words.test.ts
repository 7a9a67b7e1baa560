import assert from 'node:assert/strict';
import { test } from 'node:test';
import { denial, LANGUAGES } from './words.ts';

test('whoever comes out of hours is told when they begin, by the clock of the device', () => {
  // A Friday evening where this runs; the hours begin on Monday at 7.
  const nowMs = new Date(2026, 10, 27, 19, 0).getTime();
  const waitMs = new Date(2026, 10, 30, 7, 0).getTime() - nowMs;
  const said = Object.values(LANGUAGES).map(words => denial(words, 'not_permitted', waitMs, nowMs));
  assert.deepEqual(said, [
    'You may not log in on this device now. It is permitted again from Monday 07:00.',
    'In questo momento non è possibile accedere da questo dispositivo. Sarà di nuovo possibile da lunedì 07:00.',
    'Die Anmeldung an diesem Gerät ist jetzt nicht erlaubt. Erlaubt ist sie wieder ab Montag, 07:00.',
  ]);
  assert.equal(denial(LANGUAGES.en, 'not_permitted', undefined, nowMs), LANGUAGES.en.reasons.not_permitted);
  assert.match(denial(LANGUAGES.en, 'account_locked', 4_200, nowMs), /Try again in 5 seconds\.$/);
});

test('where no password can be checked it is not said that no server is there: a directory may be what is missing', () => {
  const said = Object.values(LANGUAGES).map(({ reasons }) => reasons.no_cached_login);
  for (const text of said) assert.doesNotMatch(text, /server/i);
});
