import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS, type ErrorCode, OBJECT_KINDS, problem } from '@thinman/protocol';
import { Command, CommanderError } from 'commander';
import { parseCount, parseDuration, parseGeneration, parseKeyHash, parseTtl, parseUses } from './arguments.ts';
import { bodyDifference } from './body-difference.ts';
import { CommandError, EXIT, exitCodeOf, misuse, refusalLines } from './command-error.ts';
import { conflictLines } from './conflict-lines.ts';
import { serverUrl } from './connection.ts';
import { parseFile } from './documents.ts';
import { effectiveTable } from './effective-command.ts';
import { toJson, toYaml } from './format.ts';
import { objectKind, readableKind } from './kinds.ts';
import { objectTable } from './object-table.ts';
import { findSession, keepSession, sessionFolder } from './session-store.ts';
import { table } from './table.ts';
import { parsePin } from './trust.ts';

const isMisuse = (error: unknown) => error instanceof CommandError && error.exitCode === EXIT.misuse;

test('a kind is understood in any case and in the plural', () => {
  for (const kind of Object.keys(OBJECT_KINDS)) {
    for (const word of [kind, kind.toLowerCase(), kind.toUpperCase()]) assert.equal(objectKind(word), kind);
  }
  for (const [word, kind] of [
    ['users', 'User'],
    ['policies', 'Policy'],
    ['directories', 'Directory'],
    ['sitesettings', 'SiteSettings'],
    ['DeviceGroups', 'DeviceGroup'],
  ] as const) {
    assert.equal(objectKind(word), kind);
  }
  assert.equal(readableKind('events'), 'Event');
  for (const word of ['', 'usr', 'Event', 'constructor']) assert.throws(() => objectKind(word), isMisuse, word);
});

test('a line of a rollout and of an assignment says what waits, who has it, and why it stopped', () => {
  const activateAt = { at: '2026-12-01T06:00', timeZone: 'Europe/Rome' };
  const of = { policy: 'quiet' };
  const stages = [{ deviceGroups: ['a'] }, { deviceGroups: ['b'] }];
  const devices = { applied: 17, pending: 1, failed: 2, waiting: 6 };
  const line = (kind: 'Rollout' | 'Assignment', body: object, status: object) =>
    objectTable(kind, [{ kind, name: 'x', generation: 7, body: { ...body }, status: { ...status } }])
      .split('\n')[1]
      ?.trimEnd()
      .split(/ {2,}/);
  assert.deepEqual(
    line('Rollout', { of, stages, activateAt }, { state: 'scheduled' })?.[3],
    'scheduled, from 2026-12-01T06:00 Europe/Rome',
  );
  assert.deepEqual(
    line('Rollout', { of, stages }, { state: 'stopped', stage: 0, why: 'too many', devices, counting: true }),
    [...['x', '7', 'policy=quiet', 'stopped (counting)', '1 of 2', '17', '1', '2', '6', 'too many']],
  );
  assert.deepEqual(line('Rollout', { of, stages: [] }, { state: 'finished', stage: 0 })?.slice(3), ['finished']);
  const assigned = { policy: 'quiet', to: { site: true }, activateAt };
  assert.equal(line('Assignment', assigned, { active: false })?.at(-1), 'from 2026-12-01T06:00 Europe/Rome');
  assert.equal(line('Assignment', assigned, { active: true })?.at(-1), '0');
});

test('a table shows what an assignment leaves out, and what a device is, where any of them has it', () => {
  const to = { deviceGroup: 'ward', userGroup: 'nurses' };
  const where = { model: ['Dell*', 'HP*'], attribute: { floor: ['2'] } };
  const assignment = (name: string, more: object = {}) => ({
    ...{ kind: 'Assignment' as const, name, generation: 7 },
    body: { policy: 'quiet', to, ...more },
  });
  const cells = (text: string) => text.split('\n').map(line => line.trimEnd().split(/ {2,}/));
  const [header, plain, filtered] = cells(objectTable('Assignment', [assignment('a'), assignment('b', { where })]));
  assert.deepEqual(header, ['NAME', 'GENERATION', 'WHAT', 'TO', 'WHERE', 'PRIORITY', 'STATE']);
  assert.deepEqual(plain, ['a', '7', 'policy quiet', 'deviceGroup=ward + userGroup=nurses', '0']);
  assert.equal(filtered?.[4], 'model=Dell*|HP* + attribute.floor=2');
  assert.ok(!objectTable('Assignment', [assignment('a')]).includes('WHERE'));

  const device = (status: object) =>
    objectTable('Device', [
      { kind: 'Device', name: 'd', generation: 7, body: { group: 'ward' }, status: { ...status } },
    ]);
  const facts = { model: 'Dell Inc. OptiPlex 3000', os: 'ThinOX 3.1', address: '10.3.0.7' };
  assert.match(device({ facts }), /MODEL +OS +SEEN FROM.*\nd +7 +ward +Dell Inc. OptiPlex 3000 +ThinOX 3.1 +10.3.0.7/);
  assert.ok(!device({}).includes('MODEL'));
  const settings = { power: { screenOffAfterMinutes: 5 }, 'session.lockAfterMinutes': 5 };
  const policies = objectTable('Policy', [{ kind: 'Policy', name: 'p', generation: 7, body: { settings } }]);
  assert.match(policies, /SCOPE +SETTINGS +ENFORCED\np +7 +both +2 +0/);
});

test('a generation is written as it stands in a table, or as apply prints it', () => {
  assert.deepEqual(
    ['41', '1.41', '12.7'].map(text => parseGeneration('--to', text)),
    [41, 41, 7],
  );
  for (const word of ['', '0', '1.', '.41', '1.2.3', '-1', 'x']) {
    assert.throws(() => parseGeneration('--to', word), isMisuse, word);
  }
});

test('a connection may be called like what every object has', () => {
  const origin = { kind: 'Profile', name: 'p', assignment: 'a' };
  const connections = ['toString', 'constructor'].map(name => ({ name, type: 'web', url: 'https://x' }));
  const shown = effectiveTable({
    settings: {},
    profile: { connections, origins: { toString: origin } as never, overrides: {} },
  });
  assert.match(shown, /^toString +web +Profile p by a *$/m);
  assert.match(shown, /^constructor +web *$/m);
});

test('a long value is cut off in a table, and that is said; a short one is whole', () => {
  const origin = { kind: 'Policy', name: 'p', assignment: 'a' };
  const of = (value: unknown) =>
    effectiveTable({
      settings: { 'usb.allow': { value, origin, overrides: [], enforced: false } as never },
      profile: { connections: [], origins: {}, overrides: {} },
    });
  assert.match(of('x'.repeat(1_000)), /x{59} … +Policy p by a *\n/);
  assert.match(of('x'.repeat(1_000)), /…: -o yaml has the whole value\n$/);
  assert.match(of('x'.repeat(58)), /"x{58}" +Policy p by a *\n/);
  assert.doesNotMatch(of('x'.repeat(58)), /…/);
});

test('times and counts are what they say, or wrong use', () => {
  assert.deepEqual(['90s', '30m', '24h', '7d'].map(parseDuration), [90_000, 1_800_000, 86_400_000, 604_800_000]);
  for (const word of ['', '24', 'h', '-1h', '1.5h', '24 h', '24H'])
    assert.throws(() => parseDuration(word), isMisuse, word);
  assert.equal(parseCount('--uses', '12'), 12);
  for (const word of ['', '0', '-1', '1.5', 'x', '1e3'])
    assert.throws(() => parseCount('--uses', word), isMisuse, word);
});

test('tokens are for a second to a year, and for a million devices at most; a key is copied whole', () => {
  assert.equal(parseTtl('366d'), 366 * 86_400_000);
  assert.equal(parseUses('1000000'), 1_000_000);
  for (const word of ['0s', '367d', '999999d']) assert.throws(() => parseTtl(word), isMisuse, word);
  for (const word of ['0', '1000001']) assert.throws(() => parseUses(word), isMisuse, word);
  assert.equal(parseKeyHash('-'.padEnd(43, 'x')), '-'.padEnd(43, 'x'));
  for (const word of ['', 'x'.repeat(42), 'x'.repeat(44), `${'x'.repeat(42)}+`]) {
    assert.throws(() => parseKeyHash(word), isMisuse, word);
  }
});

test('a pin is one pin in base64url, base64 and hexadecimal', () => {
  const digest = createHash('sha256').update('a key').digest();
  const pin = digest.toString('base64url');
  const hex = digest.toString('hex');
  const forms = [
    pin,
    digest.toString('base64'),
    hex,
    hex.toUpperCase().replaceAll(/(..)(?!$)/g, '$1:'),
    `sha256/${digest.toString('base64')}`,
    ` ${pin}\n`,
  ];
  for (const form of forms) assert.equal(parsePin(form), pin, form);
  for (const form of ['', 'x', pin.slice(1), `${pin}AAAA`, hex.slice(2)])
    assert.throws(() => parsePin(form), isMisuse, form);
});

test("a server's URL has one form", () => {
  for (const text of ['https://a.example:8443', 'https://A.example:8443/', 'HTTPS://a.example:8443']) {
    assert.equal(serverUrl(text), 'https://a.example:8443');
  }
  for (const text of ['a.example', 'http://a.example', 'https://a.example/x', 'https://u:p@a.example', '']) {
    assert.throws(() => serverUrl(text), isMisuse, text);
  }
  for (const text of ['https://u:hunter2@a.example', 'https://:hunter2@a.example', 'hunter2@a.example']) {
    assert.throws(
      () => serverUrl(text),
      (error: Error) => isMisuse(error) && !error.message.includes('hunter2'),
    );
  }
});

test('every problem has an exit code that fits what it is', () => {
  const codeOf = (code: ErrorCode) => exitCodeOf(problem(code));
  for (const code of ['credentials_invalid', 'account_disabled', 'forbidden', 'too_many_attempts'] as const)
    assert.equal(codeOf(code), EXIT.denied, code);
  for (const code of [
    'conflict',
    'invalid_object',
    'not_primary',
    'unauthorized',
    'not_found',
    'name_taken',
    'bad_request',
  ] as const)
    assert.equal(codeOf(code), EXIT.misuse, code);
  for (const code of ['database_unavailable', 'internal', 'overloaded', 'draining', 'not_serving'] as const)
    assert.equal(codeOf(code), EXIT.failed, code);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) assert.notEqual(codeOf(code), EXIT.done, code);
});

test('a refusal without mistakes is one line with all that is known', () => {
  assert.deepEqual(refusalLines(problem('not_primary', { detail: 'Ask https://p.' })), [
    'Administration happens on the Primary alone. Ask https://p.',
  ]);
  assert.match(refusalLines(problem('too_many_attempts', { retryAfterMs: 1_500 })).join(), /Try again in 2 s\.$/);
});

test('a conflict shows both versions as what differs, or that there is nothing left to do', () => {
  const of = (mine: object, now: object | null) =>
    conflictLines({
      ...{ kind: 'Policy', name: 'p' },
      yours: { generation: 9, body: { ...mine } },
      current: now === null ? null : { generation: 27, body: { ...now } },
    });
  const both = '  - now, generation 27  + yours, from generation 9';
  assert.deepEqual(of({ a: 2 }, { a: 1 }), [both, '    - a: 1', '    + a: 2']);
  assert.deepEqual(of({ a: 1 }, { a: 1 }), [
    `${both}: the same: the change is made already, and nothing is left to do`,
  ]);
  assert.deepEqual(of({ a: 1 }, null), ['  - it does not exist now']);
});

test('a difference names what was and what is, field by field', () => {
  assert.deepEqual(bodyDifference({ a: 1, b: { c: [1, 2] }, same: 'x' }, { b: { c: [1, 3] }, d: {}, same: 'x' }), [
    ...['- a: 1', '- b.c.1: 2', '+ b.c.1: 3', '+ d: {}'],
  ]);
  assert.deepEqual(bodyDifference({ a: [] }, { a: [] }), []);
});

test('columns are as wide as they must be', () => {
  assert.equal(
    table(
      ['A', 'LONG'],
      [
        ['wide cell', 'x'],
        ['', ''],
      ],
    ),
    'A          LONG\nwide cell  x\n\n',
  );
});

test('a table shows what would drive the terminal as what it is', () => {
  // Anybody who stands before a thin client can type a name into its login.
  const evil = 'bob\u001b[2J\nroot\u009b31m\u202e';
  const text = table(['USER', 'TYPE'], [[evil, 'login']]);
  assert.equal(text.split('\n')[1], 'bob\\u001b[2J\\u000aroot\\u009b31m\\u202e  login');
});

test('sessions are kept for each server, and the last one is the one that is meant', () => {
  const root = mkdtempSync(join(tmpdir(), 'thinman-sessions-'));
  const folder = sessionFolder({ XDG_CONFIG_HOME: root });
  const session = (token: string) => ({ token, user: 'admin', expiresAt: 1, ca: [] });
  try {
    assert.equal(findSession(folder, undefined), undefined);
    keepSession(folder, 'https://a', session('1'));
    keepSession(folder, 'https://b', session('2'));
    assert.equal(findSession(folder, undefined)?.session.token, '2');
    assert.equal(findSession(folder, 'https://a')?.session.token, '1');
    assert.equal(findSession(folder, 'https://c'), undefined);
    const file = join(folder, 'sessions.json');
    assert.deepEqual([statSync(file).mode & 0o777, statSync(folder).mode & 0o777], [0o600, 0o700]);

    chmodSync(file, 0o644);
    keepSession(folder, 'https://a', session('3'));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    writeFileSync(file, '{');
    assert.throws(() => findSession(folder, undefined), isMisuse);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('what was typed into a wrong command line is not said again: it may be a password', async () => {
  const command = new Command('login')
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .option('--user <name>');
  for (const slip of ['--password=a-secret', '-pa-secret', 'a-secret', '--password-stdin=a-\nsecret']) {
    await assert.rejects(command.parseAsync(['node', 'thinman', slip]), error => {
      assert.ok(error instanceof CommanderError);
      const line = misuse('thinman', error);
      assert.doesNotMatch(line, /a-|secret'|\n/);
      return /see thinman --help/.test(line);
    });
  }
});

test('what is printed of a name that hides shows it, and is read back as it was', () => {
  const object = { kind: 'User', name: 'a\u202eb', body: { displayName: 'x\u200b\n\ty', 'k\u{e0001}': 'plain' } };
  for (const [form, text] of [
    ['yaml', toYaml([object])],
    ['json', toJson(object)],
  ] as const) {
    assert.ok(text.includes(String.raw`a\u202eb`), form);
    assert.doesNotMatch(text, /[\p{Cf}]/u, form);
    assert.deepEqual(
      parseFile('x', text).objects.map(({ value }) => value),
      [object],
      form,
    );
  }
});
