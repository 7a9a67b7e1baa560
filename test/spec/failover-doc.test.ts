import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '@thinman/protocol';
import { hasTest } from '../support/named-tests.ts';
import { FAILURES } from './agent-machine.ts';

/** Of the system, as they are numbered wherever one is named (`row 7`). */
const FAULTS = 22;
/** Of the answers that stop a login. */
const LOGIN_STATUSES: readonly number[] = [400, 413, 429];
const FROM_SERVERS: readonly string[] = ['verdict', 'server'];

const page = readFileSync(`${import.meta.dirname}/../../docs/failover.md`, 'utf8');

/** Every text of the cases: their names are among them. */
const texts = new Set<string>();
for (const file of globSync('**/*.json', { cwd: import.meta.dirname })) {
  JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8'), (_key, value: unknown) => {
    if (typeof value === 'string') texts.add(value);
    return value;
  });
}

const ROW = /^\| .* \| (?:`([^`]+\.ts)`: )?\*(.+)\* \|$/;

test('each rule, fault and complaint in docs/failover.md has the case or the test that it names', () => {
  const [, rules = ''] = page.split('## Rules and their cases');
  const rows = rules.split('\n').filter(line => /^\| (?!---|rule|fault|complaint)/.test(line));
  assert.ok(rows.length > 150, `${rows.length} rows`);
  const isHeld = (row: string) => {
    const [, file, name = ''] = ROW.exec(row) ?? [];
    return file === undefined ? texts.has(name) : hasTest(file, name);
  };
  assert.deepEqual(
    rows.filter(row => !isHeld(row)),
    [],
  );
});

test('every fault of the table has a row there', () => {
  const [, faults = ''] = page.split('### Faults');
  const told = [...faults.matchAll(/^\| (\d+) /gm)].map(([, number]) => Number(number));
  assert.deepEqual(
    [...new Set(told)],
    Array.from({ length: FAULTS }, (_, at) => at + 1),
  );
});

test('each answer that a login can get has a case that gives it', () => {
  const answers = [...texts].flatMap(text => /^(?:answer|begin|probe) \S+ ([^\s@]+)/.exec(text)?.slice(1) ?? []);
  const given = new Set(answers);
  const codes = Object.entries(ERRORS).filter(([code, { scope, status }]) =>
    scope === 'request' ? LOGIN_STATUSES.includes(status) || code === 'salt_changed' : FROM_SERVERS.includes(scope),
  );
  const ungiven = [...codes.map(([code]) => code), ...FAILURES, 'http-429', 'http-502', 'http-504'].filter(
    answer => !given.has(answer) && answer !== 'aborted',
  );
  assert.deepEqual(ungiven, []);
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
