import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBindQueue } from './bind-queue.ts';
import { CLOSED, opened, orderOf } from './breaker.ts';
import { thinmanName } from './entry.ts';
import { belongsTo, countedAs, loginParts, spellings } from './login-name.ts';
import { verdictOf } from './verdicts.ts';

describe('login names', () => {
  test('in their three forms', () => {
    assert.deepEqual(loginParts('alice'), { local: 'alice', domain: undefined, form: 'plain' });
    assert.deepEqual(loginParts('alice@Lab.Test'), { local: 'alice', domain: 'lab.test', form: 'suffix' });
    assert.deepEqual(loginParts('LAB\\alice'), { local: 'alice', domain: 'lab', form: 'backslash' });
    assert.deepEqual(loginParts('a@b@lab.test'), { local: 'a@b', domain: 'lab.test', form: 'suffix' });
    assert.deepEqual(loginParts('LAB\\a@lab.test').form, 'backslash');
  });

  test('belong to a directory by its suffix, the first part of it, or its domain', () => {
    const domains = { suffix: 'lab.test', domain: 'labor' };
    for (const name of ['a@lab.test', 'LAB\\a', 'lab.test\\a', 'LABOR\\a', 'a@labor']) {
      assert.ok(belongsTo(loginParts(name), domains), name);
    }
    for (const name of ['a', 'a@lab', 'a@lab.test.example', 'LABS\\a', 'test\\a', '@lab.test']) {
      assert.ok(!belongsTo(loginParts(name), domains), name);
    }
  });

  const LAB = { suffix: 'lab.test', domain: 'labor' };
  const UNI = { suffix: 'uni.test', domain: undefined };
  const BARE = { suffix: undefined, domain: 'old' };
  /** Directories of the site; those after `|` take no plain names. What was typed → under which names it counts. */
  const COUNTED = [
    [[LAB], [], 'alice', ['alice@lab.test']],
    [[LAB], [], 'ALICE@Lab.Test', ['alice@lab.test']],
    [[LAB], [], 'LABOR\\alice', ['alice@lab.test']],
    [[LAB], [], 'alice@labor', ['alice@lab.test']],
    [[LAB], [], "o'brien", ['o-brien@lab.test']],
    [[BARE], [], 'OLD\\alice', ['alice']],
    [[BARE], [], 'alice', ['alice']],
    [[LAB, UNI], [], 'alice', ['alice', 'alice@lab.test', 'alice@uni.test']],
    [[LAB, UNI], [], 'alice@lab.test', ['alice@lab.test', 'alice']],
    [[LAB, UNI], [], 'LAB\\alice', ['alice@lab.test', 'alice']],
    [[LAB, UNI], [], 'alice@uni.test', ['alice@uni.test', 'alice']],
    [[LAB, BARE], [], 'alice', ['alice', 'alice@lab.test']],
    [[LAB, BARE], [], 'OLD\\alice', ['alice']],
    [[LAB, BARE], [], 'LAB\\alice', ['alice@lab.test', 'alice']],
    [[LAB], [UNI], 'alice', ['alice@lab.test']],
    [[LAB], [UNI], 'alice@uni.test', ['alice@uni.test']],
    [[], [LAB, UNI], 'alice@lab.test', ['alice@lab.test']],
    // Two objects for one domain.
    [[LAB, LAB], [], 'alice', ['alice@lab.test']],
    [[LAB, LAB, UNI], [], 'LABOR\\alice', ['alice@lab.test', 'alice']],
    [[LAB], [], 'alice@elsewhere.test', ['alice@elsewhere.test']],
  ] as const;
  test('count as one person, whatever the form, and whoever exists', () => {
    for (const [takesPlain, others, typed, expected] of COUNTED) {
      const parts = loginParts(typed);
      const all = [...takesPlain, ...others];
      const meant = parts.form === 'plain' ? takesPlain : all.filter(domains => belongsTo(parts, domains));
      assert.deepEqual(countedAs(parts, { meant, plain: takesPlain }), expected, typed);
    }
  });

  test('are written down in ways of which each is found by any other', () => {
    const WRITTEN = ['alice', 'alice@lab.test', 'LAB\\alice', 'lab\\alice', 'LABOR\\alice'];
    for (const typed of WRITTEN) assert.deepEqual(missing(spellings(loginParts(typed), [LAB]), WRITTEN), [], typed);
    assert.deepEqual(
      missing(spellings(loginParts("LAB\\O'Brien"), [LAB]), ["O'Brien@lab.test", 'o-brien@lab.test']),
      [],
    );
    assert.ok(!spellings(loginParts('alice@lab.test'), [LAB]).includes('alice@uni.test'));
    assert.deepEqual(spellings(loginParts('alice'), []), []);
  });
  const missing = (all: readonly string[], wanted: readonly string[]) => wanted.filter(name => !all.includes(name));

  test('that count for each other do so both ways', () => {
    const as = (typed: string) => {
      const parts = loginParts(typed);
      const meant = [LAB, UNI].filter(domains => parts.form === 'plain' || belongsTo(parts, domains));
      return countedAs(parts, { meant, plain: [LAB, UNI] });
    };
    for (const typed of ['alice', 'alice@lab.test', 'UNI\\alice']) {
      const [own, ...others] = as(typed);
      for (const other of others) assert.ok(as(other).includes(own), `${other} counts for ${typed}`);
    }
  });

  test('a name that ThinMan cannot have is written as it can', () => {
    assert.equal(thinmanName('Ward 3 Nurses'), 'Ward-3-Nurses');
    assert.equal(thinmanName("o'brien"), 'o-brien');
    assert.equal(thinmanName('Pflege Süd'), 'Pflege-Süd');
    assert.equal(thinmanName('   '), undefined);
  });
});

describe('what a bind says', () => {
  const refused = (code: number, diagnostic = '', error?: number) =>
    verdictOf({ kind: 'refused', code, diagnostic, policy: error === undefined ? {} : { error } });

  test('the sub-codes of Active Directory, and one that nobody knows is a wrong password', () => {
    const said = (data: string) =>
      refused(49, `80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data ${data}, v1db1`);
    const expected = {
      ...{ '525': 'credentials_invalid', '52e': 'credentials_invalid', '530': 'not_permitted', '531': 'not_permitted' },
      ...{ '532': 'password_expired', '533': 'account_disabled', '701': 'account_expired', '773': 'password_expired' },
      ...{ '775': 'account_locked', '7ff': 'credentials_invalid' },
    };
    for (const [data, code] of Object.entries(expected)) assert.equal(said(data), code, data);
  });

  test('the password policy control of LDAP servers', () => {
    assert.equal(refused(49, '', 0), 'password_expired');
    assert.equal(refused(49, '', 1), 'account_locked');
    assert.equal(verdictOf({ kind: 'bound', policy: { error: 2 } }), 'password_expired');
    assert.equal(verdictOf({ kind: 'bound', policy: {} }), 'granted');
  });

  test('what says nothing of the user is trouble, never a wrong password', () => {
    for (const code of [1, 2, 8, 13, 53, 80]) assert.equal(refused(code), 'trouble', String(code));
  });
});

describe('servers of a directory', () => {
  const open = (untilMs: number) => ({ kind: 'open', failures: 1, untilMs }) as const;

  test('are tried in the order of the list; those that failed are left out', () => {
    assert.deepEqual(orderOf([CLOSED, CLOSED, CLOSED]), [0, 1, 2]);
    assert.deepEqual(orderOf([open(10), CLOSED, CLOSED]), [1, 2]);
  });

  test('when all have failed one is tried all the same', () => {
    assert.deepEqual(orderOf([open(20), open(10)]), [1]);
  });

  test('wait for 5 s after a failure, doubling to 300 s, give or take a fifth', () => {
    let breaker = opened(CLOSED, 0, 0.5);
    const waits = Array.from({ length: 8 }, () => {
      const { untilMs } = breaker;
      breaker = opened(breaker, 0, 0.5);
      return untilMs;
    });
    assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    assert.deepEqual([opened(CLOSED, 0, 0).untilMs, opened(CLOSED, 0, 1).untilMs], [4_000, 6_000]);
  });
});

describe('the queue before a directory', () => {
  function make() {
    let nowMs = 0;
    const timers = new Set<{ readonly atMs: number; readonly action: () => void }>();
    const timing = {
      monotonicMs: () => nowMs,
      after(delayMs: number, action: () => void) {
        const timer = { atMs: nowMs + delayMs, action };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    };
    const queue = createBindQueue(timing, { concurrent: 2, maxWaiting: 2, maxWaitMs: 1_000 });
    const ends: (() => void)[] = [];
    const bind = () => queue.run(() => new Promise<string>(resolve => ends.push(() => resolve('bound'))));
    const advance = (ms: number) => {
      nowMs += ms;
      for (const timer of [...timers].filter(({ atMs }) => atMs <= nowMs)) {
        timers.delete(timer);
        timer.action();
      }
    };
    return { bind, ends, advance };
  }

  test('lets so many in, lets so many wait, and sends the next away with a time', async () => {
    const { bind, ends } = make();
    const turns = [bind(), bind(), bind(), bind(), bind()];
    const last = await turns[4];
    assert.ok(last?.kind === 'overloaded' && last.retryAfterMs >= 500);
    assert.equal(ends.length, 2);
    for (let at = 0; at < 4; at += 1) {
      ends[at]?.();
      await new Promise(setImmediate);
    }
    const done = await Promise.all(turns.slice(0, 4));
    assert.deepEqual(
      done.map(({ kind }) => kind),
      ['done', 'done', 'done', 'done'],
    );
  });

  test('sends away who has waited for too long, before the own deadline is missed, and never binds for them', async () => {
    const { bind, ends, advance } = make();
    const [, , third] = [bind(), bind(), bind()];
    advance(1_000);
    assert.equal((await third)?.kind, 'overloaded');
    ends[0]?.();
    await new Promise(setImmediate);
    assert.equal(ends.length, 2);
  });
});
