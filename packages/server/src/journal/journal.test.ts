import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RecordedEvent } from '@thinman/protocol';
import { LOGIN_MEMORY_MS } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import type { FailureFact, RememberedLogin } from '../ports.ts';
import { entryBytes } from './entries.ts';
import { type OpenJournal, openJournal } from './journal.ts';
import { DRAINED_KEPT_MS, ENDED_KEPT_MS, FAILURES_KEPT_MS, GRANTS_KEPT_MS } from './prune.ts';
import { createFormat1, JOURNAL_APPLICATION_ID, JOURNAL_FORMAT } from './tables.ts';

const DAY_MS = 24 * 60 * 60_000;

describe('journal', () => {
  let dir: string;
  let path: string;
  let clock: ManualClock;
  let journal: OpenJournal;
  const open = () => openJournal(path, { clock });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'thinman-journal-'));
    path = join(dir, 'journal.db');
    clock = manualClock();
    journal = open();
  });
  afterEach(() => {
    journal.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const append = (...events: RecordedEvent[]) => journal.append({ events });
  const idsOf = (events: readonly RecordedEvent[]) => events.map(({ id }) => id);

  it('remembers over a restart which sessions are over, and for how long servers tell each other of them', async () => {
    const [here, there] = [randomUUID(), randomUUID()];
    await journal.append({ events: [], ended: [{ loginId: here, atMs: clock.nowMs() }] });
    const told = { from: 'secondary', failures: [], grants: [], ended: [{ loginId: there, atMs: clock.nowMs() }] };
    await journal.append({ events: [], heard: told });
    journal.close();
    journal = open();
    assert.deepEqual([here, there, randomUUID()].map(journal.isEnded), [true, true, false]);
    // Nobody is told what came from there.
    const lacks = (server: string) => journal.endedFor({ server, sinceMs: 0, limit: 10 }).map(({ loginId }) => loginId);
    assert.deepEqual(lacks('secondary'), [here]);
    assert.deepEqual(lacks('primary'), [here, there].toSorted());
    clock.setNow(clock.nowMs() + ENDED_KEPT_MS + 1);
    await append(recordedEvent());
    assert.equal(journal.isEnded(here), false);
  });

  it('goes on with a file of the next version, and leaves it that', async () => {
    const before = recordedEvent();
    await append(before);
    journal.close();
    const handle = new Database(path);
    handle.exec('ALTER TABLE entries ADD COLUMN remark TEXT; ALTER TABLE logins ADD COLUMN remark TEXT');
    handle.pragma(`user_version = ${JOURNAL_FORMAT + 1}`);
    handle.close();
    journal = open();
    const after = recordedEvent();
    await append(after);
    assert.deepEqual(idsOf(journal.next(10)), [before.id, after.id]);
    journal.markDrained([before], journal.line());
    assert.equal(journal.pending(), 1);
    journal.close();
    const again = new Database(path);
    assert.equal(again.pragma('user_version', { simple: true }), JOURNAL_FORMAT + 1);
    again.close();
    journal = open();
  });

  it('refuses a file of a newer version, and leaves it as it is', async () => {
    await append(recordedEvent());
    journal.close();
    const handle = new Database(path);
    handle.pragma(`user_version = ${JOURNAL_FORMAT + 2}`);
    handle.close();
    assert.throws(open, { name: 'JournalOfNewerVersion', message: /install that version again$/ });
    assert.deepEqual(readdirSync(dir), ['journal.db']);
    const again = new Database(path);
    again.pragma(`user_version = ${JOURNAL_FORMAT}`);
    again.close();
    journal = open();
    assert.equal(journal.pending(), 1);
  });

  describe('a source of record of another epoch', () => {
    const drainAll = (limit = 100) => {
      const sent: string[] = [];
      for (let some = journal.next(limit); some.length > 0; some = journal.next(limit)) {
        sent.push(...idsOf(some));
        journal.markDrained(some, journal.line());
      }
      return sent;
    };

    it('gets all that is kept once more, and what comes after it once', async () => {
      journal.sendTo(1);
      const events = [recordedEvent(), recordedEvent(), recordedEvent()];
      await append(...events);
      assert.deepEqual(drainAll(), idsOf(events));
      journal.sendTo(1);
      assert.deepEqual(drainAll(), []);
      journal.sendTo(2);
      assert.equal(journal.pending(), 3);
      journal.sendTo(2);
      const [later] = [recordedEvent()];
      await append(later);
      assert.deepEqual(drainAll(2), idsOf([...events, later]));
      assert.deepEqual(drainAll(), []);
    });

    it('gets it also over a restart in the middle, and never less', async () => {
      journal.sendTo(1);
      const events = Array.from({ length: 5 }, () => recordedEvent());
      await append(...events);
      drainAll();
      journal.sendTo(2);
      journal.markDrained(journal.next(2), journal.line());
      journal.close();
      journal = open();
      assert.deepEqual(drainAll(), idsOf(events.slice(2)));
      assert.deepEqual(journal.load().pendingBytes, 0);
    });

    it('gets many some at a time', async () => {
      journal.sendTo(1);
      const events = Array.from({ length: 5_000 }, () => recordedEvent());
      await append(...events);
      drainAll(1_000);
      journal.sendTo(2);
      assert.ok(journal.pending() < events.length);
      assert.deepEqual(drainAll(), idsOf(events));
    });

    it('is not asked for what nobody knew of before: a journal without a word takes the first epoch', async () => {
      await append(recordedEvent());
      drainAll();
      journal.sendTo(3);
      assert.deepEqual(drainAll(), []);
    });

    it('may be the same again after a doubt: then it gets everything as well, and nothing before', async () => {
      journal.sendTo(1);
      const event = recordedEvent();
      await append(event);
      drainAll();
      journal.sendAgain();
      assert.deepEqual(drainAll(), []);
      journal.close();
      journal = open();
      journal.sendTo(1);
      assert.deepEqual(drainAll(), idsOf([event]));
    });
  });

  describe('its queue', () => {
    it('has what was appended on disk when append resolves, for who opens it after a crash', async () => {
      const event = recordedEvent({ data: { nested: [1, { x: null }] } });
      await append(event);
      // The first handle is still open, as that of a process that was killed.
      const after = open();
      assert.deepEqual(after.next(10), [event]);
      assert.equal(after.pending(), 1);
      after.close();
    });

    it('gives the oldest first, each once, until it is drained', async () => {
      const events = Array.from({ length: 5 }, () => recordedEvent());
      for (const event of events) await append(event);
      await append(...events);
      assert.equal(journal.pending(), 5);
      assert.deepEqual(idsOf(journal.next(3)), idsOf(events.slice(0, 3)));
      journal.markDrained(events.slice(0, 3), journal.line());
      journal.markDrained(events.slice(0, 3), journal.line());
      assert.equal(journal.pending(), 2);
      assert.deepEqual(idsOf(journal.next(3)), idsOf(events.slice(3)));
    });

    it('marks what it gave, and neither what came meanwhile nor what was marked by its name before', async () => {
      const events = Array.from({ length: 6 }, () => recordedEvent());
      await append(...events.slice(0, 5));
      journal.markDrained(events.slice(1, 2), journal.line());
      const given = journal.next(3);
      assert.deepEqual(
        idsOf(given),
        [0, 2, 3].map(at => events[at]?.id ?? ''),
      );
      await append(...events.slice(5));
      journal.footprint();
      journal.markDrained(given, journal.line());
      assert.equal(journal.pending(), 2);
      assert.deepEqual(idsOf(journal.next(9)), idsOf(events.slice(4)));
      // Another list of the same events is found by their names.
      journal.markDrained(events.slice(4, 5), journal.line());
      assert.deepEqual(idsOf(journal.next(9)), idsOf(events.slice(5)));
    });

    it('gives as many as are so long together, and a single longer one all the same', async () => {
      const events = Array.from({ length: 4 }, () => recordedEvent({ data: { text: 'x'.repeat(1_000) } }));
      await append(...events);
      assert.equal(journal.next(9, 2_800).length, 2);
      assert.equal(journal.next(1, 2_800).length, 1);
      assert.deepEqual(idsOf(journal.next(9, 10)), idsOf(events.slice(0, 1)));
    });

    it('does not take up again what is drained already', async () => {
      const event = recordedEvent();
      await append(event);
      journal.markDrained([event], journal.line());
      await append(event);
      assert.equal(journal.pending(), 0);
    });

    it('keeps the same id of two origins apart', async () => {
      const event = recordedEvent();
      await append(event, { ...event, origin: 'device:other' });
      journal.markDrained([event], journal.line());
      assert.deepEqual(
        journal.next(10).map(({ origin }) => origin),
        ['device:other'],
      );
    });

    it('knows how many wait when it is opened again', async () => {
      const events = Array.from({ length: 4 }, () => recordedEvent());
      await append(...events);
      journal.markDrained(events.slice(0, 1), journal.line());
      journal.close();
      journal = open();
      assert.equal(journal.pending(), 3);
    });

    it('tells who listens, once a turn, when it is on disk', async () => {
      const told: number[] = [];
      const forget = journal.onAppended(() => told.push(journal.next(10).length));
      await Promise.all([append(recordedEvent()), append(recordedEvent())]);
      forget();
      await append(recordedEvent());
      assert.deepEqual(told, [2]);
    });

    it('writes what waits when it is closed', async () => {
      const event = recordedEvent();
      const appended = append(event);
      journal.close();
      await appended;
      journal = open();
      assert.deepEqual(journal.next(1), [event]);
    });
  });

  describe('an entry that cannot be written', () => {
    it('is refused alone and whole: neither its event nor its memory is kept', async () => {
      const good = recordedEvent();
      const bad = { events: [recordedEvent(), { id: 7 } as unknown as RecordedEvent], remember: login() };
      const outcomes = await Promise.allSettled([append(good), journal.append(bad)]);
      assert.deepEqual(
        outcomes.map(outcome => (outcome.status === 'rejected' ? outcome.reason.code : outcome.status)),
        ['fulfilled', 'journal_unavailable'],
      );
      assert.deepEqual(journal.next(10), [good]);
      assert.equal(journal.remembered(bad.remember.loginId), undefined);
      assert.equal(journal.pending(), 1);
    });

    it('is refused while the file cannot be written, and taken when it can', async () => {
      const tool = new Database(path);
      tool.exec('BEGIN IMMEDIATE');
      const event = recordedEvent();
      await assert.rejects(append(event), { name: 'JournalUnavailable', trouble: 'busy' });
      assert.equal(journal.pending(), 0);
      tool.exec('ROLLBACK');
      tool.close();
      await append(event);
      assert.equal(journal.pending(), 1);
    });
  });

  describe('its memory of logins', () => {
    it('gives the first answer to a loginId, also after a restart', async () => {
      const granted = login();
      const denied = login({ outcome: 'account_locked', retryAfterMs: 1_000 });
      await journal.append({ events: [], remember: granted });
      await journal.append({ events: [], remember: denied });
      await journal.append({ events: [], remember: { ...granted, outcome: 'credentials_invalid' } });
      journal.close();
      journal = open();
      assert.deepEqual(journal.remembered(granted.loginId), granted);
      assert.deepEqual(journal.remembered(denied.loginId), denied);
      assert.equal(journal.remembered(randomUUID()), undefined);
    });

    it('keeps it for as long as is promised, and forgets it some time after', async () => {
      const remember = login();
      await journal.append({ events: [], remember });
      clock.setNow(clock.nowMs() + LOGIN_MEMORY_MS);
      await append(recordedEvent());
      assert.deepEqual(journal.remembered(remember.loginId), remember);
      clock.setNow(clock.nowMs() + 2 * LOGIN_MEMORY_MS);
      await append(recordedEvent());
      assert.equal(journal.remembered(remember.loginId), undefined);
    });

    it('knows the last grant of a device and user', async () => {
      const grant = (atMs: number) => journal.append({ events: [], granted: { deviceId: 'd1', user: 'alice', atMs } });
      await grant(100);
      await grant(300);
      await grant(200);
      assert.equal(journal.lastGrantMs('d1', 'alice'), 300);
      assert.equal(journal.lastGrantMs('d2', 'alice'), undefined);
      assert.equal(journal.lastGrantMs('d1', 'bob'), undefined);
    });
  });

  describe('facts about failures', () => {
    const fact = (more: Partial<FailureFact> = {}): FailureFact => ({
      loginId: randomUUID(),
      deviceId: 'd1',
      user: 'alice',
      sentHash: 'h',
      atMs: clock.nowMs(),
      ...more,
    });

    it('are a set: the same one again counts nothing', async () => {
      const one = fact();
      await journal.append({ events: [], failure: one });
      await journal.append({ events: [], failure: one });
      await journal.append({ events: [], failure: { ...one, sentHash: 'other' } });
      assert.equal(journal.failures({ sinceMs: 0 }).length, 2);
    });

    it('are found by device, by user, by both, and by age', async () => {
      const nowMs = clock.nowMs();
      const facts = [
        fact({ atMs: nowMs + 1 }),
        fact({ atMs: nowMs + 2, user: 'bob' }),
        fact({ atMs: nowMs + 3, deviceId: 'd2' }),
        fact({ atMs: nowMs + 4 }),
      ];
      for (const failure of facts) await journal.append({ events: [], failure });
      const found = (query: Parameters<OpenJournal['failures']>[0]) =>
        journal.failures(query).map(({ atMs }) => atMs - nowMs);
      assert.deepEqual(found({ sinceMs: 0 }), [1, 2, 3, 4]);
      assert.deepEqual(found({ sinceMs: 0, deviceId: 'd1' }), [1, 2, 4]);
      assert.deepEqual(found({ sinceMs: 0, user: 'alice' }), [1, 3, 4]);
      assert.deepEqual(found({ sinceMs: nowMs + 2, deviceId: 'd1', user: 'alice' }), [4]);
      assert.deepEqual(journal.failures({ sinceMs: nowMs + 4 }), facts.slice(3));
    });
  });

  describe('forgetting', () => {
    it('takes drained entries after 7 days, and never what still waits', async () => {
      const drained = recordedEvent();
      const waiting = recordedEvent();
      await append(drained, waiting);
      journal.markDrained([drained], journal.line());
      clock.setNow(clock.nowMs() + DRAINED_KEPT_MS - DAY_MS);
      await append(recordedEvent());
      assert.equal(held(path), 3);
      clock.setNow(clock.nowMs() + 400 * DAY_MS);
      await append(recordedEvent());
      assert.equal(held(path), 3);
      assert.deepEqual(idsOf(journal.next(1)), [waiting.id]);
    });

    it('goes on after a clock that was far ahead was set right', async () => {
      const nowMs = clock.nowMs();
      clock.setNow(nowMs + 70 * 365 * DAY_MS);
      await append(recordedEvent());
      clock.setNow(nowMs);
      const drained = recordedEvent();
      await append(drained);
      journal.markDrained([drained], journal.line());
      clock.setNow(nowMs + DRAINED_KEPT_MS + DAY_MS);
      await append(recordedEvent());
      assert.equal(held(path), 2);
    });

    it('takes failures and grants when no limit looks at them any more', async () => {
      const atMs = clock.nowMs();
      const failure = { loginId: randomUUID(), deviceId: 'd', user: 'u', sentHash: 'h', atMs };
      await journal.append({ events: [], failure, granted: { deviceId: 'd', user: 'u', atMs } });
      clock.setNow(atMs + FAILURES_KEPT_MS + DAY_MS);
      await append(recordedEvent());
      assert.equal(journal.failures({ sinceMs: 0 }).length, 0);
      assert.equal(journal.lastGrantMs('d', 'u'), atMs);
      clock.setNow(atMs + GRANTS_KEPT_MS + DAY_MS);
      await append(recordedEvent());
      assert.equal(journal.lastGrantMs('d', 'u'), undefined);
    });
  });

  it('remembers the newest version it heard of, with what was missing, and never an older one', () => {
    const missing = (...names: string[]) => ({
      count: names.length,
      objects: names.map((name, at) => ({ kind: 'User', name, generation: 9 - at })),
    });
    assert.equal(journal.heard(), undefined);
    journal.hear({ version: { epoch: 1, generation: 7 }, missing: missing('alice', 'bob') });
    journal.hear({ version: { epoch: 1, generation: 5 }, missing: missing() });
    journal.close();
    journal = open();
    assert.deepEqual(journal.heard(), { version: { epoch: 1, generation: 7 }, missing: missing('alice', 'bob') });
    journal.hear({ version: { epoch: 1, generation: 7 }, missing: missing('alice') });
    assert.deepEqual(journal.heard()?.missing, missing('alice'));
    journal.hear({ version: { epoch: 2, generation: 1 }, missing: missing() });
    assert.deepEqual(journal.heard(), { version: { epoch: 2, generation: 1 }, missing: missing() });
  });

  describe('its limit', () => {
    const textOf = (bytes: number) => recordedEvent({ data: { text: 'x'.repeat(bytes) } });
    const limited = (limitBytes: number) => {
      journal.close();
      journal = openJournal(path, { clock, limitBytes: () => limitBytes });
    };

    it('is counted by what waits, also by who opens it again', async () => {
      const events = [recordedEvent(), textOf(5_000), recordedEvent({ data: { text: 'é€😀' } })];
      await append(...events);
      const { pendingBytes } = journal.load();
      assert.equal(
        pendingBytes,
        events.map(entryBytes).reduce((sum, bytes) => sum + bytes),
      );
      journal.markDrained(events.slice(0, 1), journal.line());
      journal.close();
      journal = open();
      assert.equal(
        journal.load().pendingBytes,
        events
          .slice(1)
          .map(entryBytes)
          .reduce((sum, bytes) => sum + bytes),
      );
    });

    it('refuses, and loses nothing, when all that waits is needed', async () => {
      limited(20_000);
      const first = textOf(15_000);
      await append(first);
      await assert.rejects(append(textOf(6_000)), { name: 'JournalUnavailable', trouble: 'limit' });
      await append(recordedEvent());
      assert.equal(journal.pending(), 2);
      journal.markDrained([first], journal.line());
      await append(textOf(6_000));
      assert.equal(journal.pending(), 2);
    });

    it('lets what is drained go early when the room is needed', async () => {
      limited(20_000);
      const drained = [textOf(5_000), textOf(5_000)];
      for (const event of drained) {
        await append(event);
        journal.markDrained([event], journal.line());
        clock.setNow(clock.nowMs() + 1_000);
      }
      await append(textOf(7_000));
      assert.equal(held(path), 3, 'nothing goes while there is room');
      await append(textOf(12_000));
      assert.equal(held(path), 2);
      assert.equal(journal.pending(), 2);
    });

    it('takes what is no event all the same: what counts for the lockout is small and must not be lost', async () => {
      limited(1_000);
      await assert.rejects(append(textOf(1_000)));
      const failure = { loginId: randomUUID(), deviceId: 'd', user: 'u', sentHash: 'h', atMs: clock.nowMs() };
      await journal.append({ events: [], failure });
      assert.equal(journal.failures({ sinceMs: 0 }).length, 1);
    });
  });

  describe('on a full disk', () => {
    it('goes on with the room that is made for it, and asks for no more than it needs', async () => {
      journal.close();
      let asked = 0;
      let room = 2;
      const tool = new Database(path);
      tool.exec('BEGIN IMMEDIATE');
      journal = openJournal(path, {
        clock,
        makeRoom(trouble) {
          assert.equal(trouble, 'busy');
          asked++;
          if (--room === 0) tool.exec('ROLLBACK');
          return true;
        },
      });
      await append(recordedEvent());
      assert.equal(asked, 2);
      assert.equal(journal.pending(), 1);
      tool.close();
    });
  });

  describe('facts for another server', () => {
    const fact = (more: Partial<FailureFact> = {}): FailureFact => ({
      ...{ loginId: randomUUID(), deviceId: 'd1', user: 'alice', sentHash: randomUUID(), atMs: clock.nowMs() },
      ...more,
    });
    const all = { sinceMs: 0, limit: 100 };

    it('are all but those that it told itself, and none that is too old', async () => {
      const [mine, its, old] = [fact(), fact(), fact({ atMs: clock.nowMs() - DAY_MS })];
      await journal.append({ events: [], failure: mine });
      await journal.append({ events: [], failure: old });
      await journal.append({ events: [], heard: { from: 'secondary', failures: [its], grants: [] } });
      const idsFor = (server: string) =>
        journal
          .failuresFor({ ...all, sinceMs: clock.nowMs() - 1_000, server })
          .map(({ loginId }) => loginId)
          .sort();
      assert.deepEqual(idsFor('secondary'), [mine.loginId]);
      assert.deepEqual(idsFor('another'), [mine.loginId, its.loginId].sort());
      assert.equal(journal.failures({ sinceMs: 0, deviceId: 'd1' }).length, 3, 'for the lockout they are alike');
    });

    it('come page by page, each once', async () => {
      const facts = Array.from({ length: 25 }, (_, i) =>
        fact({ deviceId: `d${i % 3}`, user: i % 2 ? 'alice' : 'bob' }),
      );
      await journal.append({ events: [], heard: { from: 'x', failures: facts, grants: [] } });
      const seen: string[] = [];
      const page = (after?: FailureFact) =>
        journal.failuresFor({ ...all, server: 'secondary', limit: 4, ...(after && { after }) });
      for (let some = page(); some.length > 0; some = page(some.at(-1))) seen.push(...some.map(one => one.sentHash));
      assert.deepEqual(seen.sort(), facts.map(({ sentHash }) => sentHash).sort());
    });

    it('is kept once, whoever tells it, as old as it was when it was told first', async () => {
      const first = fact();
      await journal.append({ events: [], failure: first });
      const again = { ...first, atMs: first.atMs + 60_000 };
      assert.ok(journal.knowsFailure(again));
      await journal.append({ events: [], heard: { from: 'secondary', failures: [again], grants: [] } });
      assert.deepEqual(journal.failures({ sinceMs: 0 }), [first]);
    });

    it('has the last grant of each device and user, with who told it', async () => {
      const atMs = clock.nowMs();
      const grant = (at: number) => ({ deviceId: 'd1', user: 'alice', atMs: at });
      await journal.append({ events: [], granted: grant(atMs) });
      await journal.append({ events: [], heard: { from: 'secondary', failures: [], grants: [grant(atMs - 5)] } });
      assert.deepEqual(journal.grantsFor({ ...all, server: 'secondary' }), [grant(atMs)]);
      await journal.append({ events: [], heard: { from: 'secondary', failures: [], grants: [grant(atMs + 5)] } });
      assert.equal(journal.lastGrantMs('d1', 'alice'), atMs + 5);
      assert.deepEqual(journal.grantsFor({ ...all, server: 'secondary' }), []);
      assert.deepEqual(journal.grantsFor({ ...all, server: 'another' }), [grant(atMs + 5)]);
    });
  });

  describe('of another server', () => {
    const owner = { siteId: randomUUID(), instance: randomUUID() };
    const openAs = (who: typeof owner) => {
      journal.close();
      journal = openJournal(path, { clock, owner: who });
    };

    it("is set aside: its events are not this server's to hand on", async () => {
      openAs(owner);
      await append(recordedEvent());
      openAs(owner);
      assert.deepEqual([journal.setAside, journal.pending()], [undefined, 1]);
      openAs({ ...owner, instance: randomUUID() });
      assert.deepEqual([journal.setAside?.why, journal.pending()], ['other_server', 0]);
      assert.equal(held(String(journal.setAside?.path)), 1);
    });

    it('of another site likewise', () => {
      openAs(owner);
      openAs({ ...owner, siteId: randomUUID() });
      assert.equal(journal.setAside?.why, 'other_site');
    });
  });

  it('is brought up from the first format, with every row', async () => {
    journal.close();
    rmSync(path);
    const [waiting, drained] = [recordedEvent(), recordedEvent()];
    const failure = { loginId: randomUUID(), deviceId: 'd', user: 'u', sentHash: 'h', atMs: clock.nowMs() };
    const login1 = login();
    makeFormat1(path, handle => {
      const add = handle.prepare('INSERT INTO entries (origin, id, event, drainedAtMs) VALUES (?, ?, ?, ?)');
      add.run(waiting.origin, waiting.id, JSON.stringify(waiting), null);
      add.run(drained.origin, drained.id, JSON.stringify(drained), clock.nowMs());
      handle.prepare('INSERT INTO failures VALUES (@loginId, @deviceId, @user, @sentHash, @atMs)').run(failure);
      handle.prepare('INSERT INTO grants VALUES (?, ?, ?)').run('d', 'u', 5);
      handle.prepare('INSERT INTO logins VALUES (?, ?, ?, ?, ?, NULL, ?)').run(login1.loginId, 'b', 'granted', 1, 4, 0);
      handle.prepare('INSERT INTO heard VALUES (1, 1, 7)').run();
    });
    const owner = { siteId: randomUUID(), instance: randomUUID() };
    journal = openJournal(path, { clock, owner });
    assert.equal(journal.setAside, undefined);
    assert.deepEqual(journal.next(10), [waiting]);
    assert.equal(journal.pending(), 1);
    assert.equal(journal.load().pendingBytes, entryBytes(waiting));
    assert.deepEqual(journal.failures({ sinceMs: 0 }), [failure]);
    assert.equal(journal.lastGrantMs('d', 'u'), 5);
    assert.deepEqual(journal.remembered(login1.loginId), login1);
    assert.deepEqual(journal.heard(), { version: { epoch: 1, generation: 7 }, missing: { count: 0, objects: [] } });
    assert.equal(held(path), 2);
    journal.close();
    journal = openJournal(path, { clock, owner });
    assert.equal(journal.setAside, undefined, 'it is its own now');
  });

  it('is set aside, not overwritten, when it cannot be read, and says so', async () => {
    journal.close();
    writeFileSync(path, 'garbage'.repeat(1_000));
    journal = open();
    assert.equal(journal.setAside?.why, 'damaged');
    assert.ok(existsSync(journal.setAside.path));
    await append(recordedEvent());
    assert.equal(journal.pending(), 1);
  });

  it('is for its owner alone', async () => {
    await append(recordedEvent());
    assert.deepEqual(new Set(readdirSync(dir).map(file => statSync(join(dir, file)).mode & 0o777)), new Set([0o600]));
  });
});

function login(more: Partial<RememberedLogin> = {}): RememberedLogin {
  return {
    loginId: randomUUID(),
    binding: 'b',
    outcome: 'granted',
    subject: { epoch: 1, generation: 4 },
    ...more,
  };
}

/** Rows of the queue, drained ones too. */
function held(path: string): number {
  const handle = new Database(path, { readonly: true });
  const count = handle.prepare<[], number>('SELECT count(*) FROM entries').pluck().get();
  handle.close();
  return count ?? 0;
}

/** A journal as the first release of the format left it. */
function makeFormat1(path: string, fill: (handle: Database.Database) => void): void {
  const handle = new Database(path);
  createFormat1(handle);
  handle.pragma(`application_id = ${JOURNAL_APPLICATION_ID}`);
  fill(handle);
  handle.close();
}
