import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const page = readFileSync(`${import.meta.dirname}/../../docs/failover.md`, 'utf8');

/** Every text of the cases: their names are among them. */
const texts = new Set<string>();
for (const file of globSync('**/*.json', { cwd: import.meta.dirname })) {
  JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8'), (_key, value: unknown) => {
    if (typeof value === 'string') texts.add(value);
    return value;
  });
}

test('each rule and each complaint in docs/failover.md has the case that it names', () => {
  const [, rules = ''] = page.split('## Rules and their cases');
  const named = [...rules.matchAll(/^\| .* \| \*(.+)\* \|$/gm)].map(([, name = '']) => name);
  const rows = rules.split('\n').filter(line => /^\| (?!---|rule|complaint)/.test(line));
  assert.equal(named.length, rows.length);
  assert.deepEqual(
    named.filter(name => !texts.has(name)),
    [],
  );
});

test('every JSON code of an offline denial is explained there', () => {
  const { decisions } = JSON.parse(readFileSync(`${import.meta.dirname}/offline-login.json`, 'utf8')) as {
    decisions: readonly unknown[];
  };
  const codes = new Set(JSON.stringify(decisions).match(/\b[a-z]+(?:_[a-z]+)+\b/g));
  const told = ['offline_not_allowed', 'no_cached_login', 'cached_login_expired', 'offline_attempts_exhausted'];
  for (const code of [...told, 'clock_went_back', 'cache_damaged']) {
    assert.ok(codes.has(code) && page.includes(`| \`${code}\` |`), code);
  }
});
