import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatVersion, parseVersion } from './bundle.ts';
import { parseValue } from './codec.ts';
import { DEFAULT_KDF, kdfRefusal } from './kdf.ts';
import { nameProblem, newNameProblem, ObjectName } from './names.ts';
import { flattenSettings } from './objects/settings/index.ts';
import { isNewerStatement, type SiteStatement } from './statement.ts';
import { acceptsProtocol } from './version.ts';
import { compareVersions } from './versioned.ts';
import { visible, visibleLines } from './visible.ts';

test('the agent refuses parameters that are too weak, too dear, or weaker than before', () => {
  assert.equal(kdfRefusal(DEFAULT_KDF, 16), undefined);
  assert.equal(kdfRefusal({ ...DEFAULT_KDF, memoryKib: 19 * 1024 }, 16), undefined);
  assert.ok(kdfRefusal({ ...DEFAULT_KDF, memoryKib: 19 * 1024 - 1 }, 16));
  assert.ok(kdfRefusal({ ...DEFAULT_KDF, passes: 1 }, 16));
  assert.ok(kdfRefusal({ ...DEFAULT_KDF, memoryKib: 256 * 1024 + 1 }, 16));
  assert.ok(kdfRefusal({ ...DEFAULT_KDF, passes: 11 }, 16));
  assert.ok(kdfRefusal(DEFAULT_KDF, 15));
  assert.ok(kdfRefusal({ ...DEFAULT_KDF, memoryKib: 32 * 1024 }, 16, DEFAULT_KDF));
  assert.equal(kdfRefusal({ ...DEFAULT_KDF, passes: 3 }, 16, DEFAULT_KDF), undefined);
});

test('a server serves the current protocol and the two before it', () => {
  const history = [20250101, 20250601, 20260101, 20260601];
  assert.equal(acceptsProtocol('20260601', history), true);
  assert.equal(acceptsProtocol('20250601', history), true);
  assert.equal(acceptsProtocol('20250101', history), false);
  assert.equal(acceptsProtocol('20270101', history), false);
  assert.equal(acceptsProtocol(undefined, history), false);
  assert.equal(acceptsProtocol('', history), false);
});

test('an epoch counts before any generation', () => {
  assert.ok(compareVersions({ epoch: 2, generation: 1 }, { epoch: 1, generation: 900 }) > 0);
  assert.ok(compareVersions({ epoch: 2, generation: 1 }, { epoch: 2, generation: 2 }) < 0);
  fc.assert(
    fc.property(fc.nat(999), fc.nat(), (epoch, generation) => {
      assert.deepEqual(parseVersion(formatVersion({ epoch, generation })), { epoch, generation });
    }),
  );
  for (const text of ['', '1', '1.', '.1', '1.2.3', '-1.2', 'a.b']) assert.equal(parseVersion(text), undefined);
});

test('names: what is refused in words is refused by the schema', () => {
  for (const good of ['alice', 'Alice', 'àlice', 'ward-3', 'alice@lab.test', 'x'.repeat(128), '日本']) {
    assert.equal(nameProblem(good), undefined, good);
    assert.equal(parseValue(ObjectName, good).ok, true, good);
  }
  for (const bad of [
    '',
    ' a',
    'a b',
    'a/b',
    'a\\b',
    '.hidden',
    '-rf',
    'x'.repeat(129),
    'a\u0000',
    'a?b',
    'a#b',
    'a%b',
    "a'b",
    't\ud800',
  ]) {
    assert.ok(nameProblem(bad), bad);
    assert.equal(parseValue(ObjectName, bad).ok, false, bad);
  }
  assert.ok(nameProblem('a\u0300lice'), 'not in normal form C');
});

test('names: a new one has only what can be seen; one that is there already stays what it is', () => {
  for (const good of ['alice', 'àlice', 'alice@lab.test', '日本', '\u{1f600}'])
    assert.equal(newNameProblem(good), undefined);
  const unseen = [
    '\u202e',
    '\u200b',
    '\u200d',
    '\u2060',
    '\ufeff',
    '\u00ad',
    '\u3164',
    '\u115f',
    '\u2003',
    '\u3000',
    '\u2800',
  ];
  for (const char of [...unseen, '\ufe0f', '\u{e0001}']) {
    const name = `alice${char}b`;
    const said = newNameProblem(name) ?? '';
    assert.match(said, /a character that nobody sees/, visible(name));
    assert.equal(visible(said), char === '\u2003' || char === '\u3000' ? visible(said) : said);
    assert.equal(nameProblem(name), undefined, visible(name));
  }
  assert.ok(newNameProblem('a b') && newNameProblem('-rf') && newNameProblem('t\ud800'));
});

test('what is printed neither drives a terminal nor hides', () => {
  assert.equal(visible('a\u202eb\u200b\n\u{e0001}\u001b[2J'), String.raw`a\u202eb\u200b\u000a\udb40\udc01\u001b[2J`);
  assert.equal(visibleLines('a\tb\nc\u202e\r'), 'a\tb\nc\\u202e\\u000d');
});

test('settings: known keys are found at any depth, others are named', () => {
  const flat = flattenSettings({
    power: { screenOffAfterMinutes: 10, colour: 1 },
    network: { proxy: { url: 'http://p' } },
    nope: {},
  });
  assert.deepEqual(
    [...flat.known],
    [
      ['power.screenOffAfterMinutes', 10],
      ['network.proxy.url', 'http://p'],
    ],
  );
  assert.deepEqual(flat.unknown, ['power.colour', 'nope']);
});

test('a statement gives way only to a newer one of the same site', () => {
  const held: SiteStatement = { siteId: 's', epoch: 2, version: 5, servers: [], caPins: [], directorySuffixes: [] };
  assert.equal(isNewerStatement(held, undefined), true);
  assert.equal(isNewerStatement(held, held), false);
  assert.equal(isNewerStatement({ ...held, version: 6 }, held), true);
  assert.equal(isNewerStatement({ ...held, epoch: 1, version: 99 }, held), false);
  assert.equal(isNewerStatement({ ...held, epoch: 3, version: 6, siteId: 'other' }, held), false);
});
