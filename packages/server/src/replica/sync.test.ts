import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { newSite, SITE_ID } from '../../../../test/support/record-fixtures.ts';
import type { Feed, SiteRow } from '../ports.ts';
import { DatabaseUnavailable } from '../record/errors.ts';
import { createSync, FORK_HELD_FOR_MS, type SyncCondition, type SyncOptions } from './sync.ts';

const INTERVAL_MS = 500;
const DEADLINE_MS = 3_000;

const site = (generation: number): SiteRow => ({
  ...newSite(),
  version: { epoch: 1, generation },
  commitId: `commit-${generation}`,
  compactedGeneration: 0,
  schema: 1,
});

const POSITION = { siteId: SITE_ID, version: { epoch: 1, generation: 1 }, commitId: 'commit-1' };

/** A source of record that answers when told to, and a replica that only remembers. */
function setUp(clock: ManualClock, more: Partial<SyncOptions> = {}) {
  const questions: { answer(feed: Feed): void; fail(error: Error): void }[] = [];
  const applied: Feed[] = [];
  let unanswered = 0;
  let refuse: Error | undefined;
  const sync = createSync({
    record: {
      feed() {
        assert.equal(unanswered, 0, 'two reads at once');
        unanswered++;
        const { promise, resolve, reject } = Promise.withResolvers<Feed>();
        questions.push({ answer: resolve, fail: reject });
        return promise.finally(() => unanswered--);
      },
    },
    replica: {
      position: () => POSITION,
      apply(feed) {
        if (refuse !== undefined) throw refuse;
        applied.push(feed);
        return undefined;
      },
    },
    clock,
    intervalMs: INTERVAL_MS,
    deadlineMs: DEADLINE_MS,
    ...more,
  });
  const newest = () => questions.at(-1) ?? assert.fail('nothing was asked');
  return { sync, questions, applied, newest, refuseWith: (error: Error | undefined) => (refuse = error) };
}

describe('sync', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = manualClock();
  });
  const current: Feed = { kind: 'current', site: site(1) };

  it('reads after each interval, and never two at once', async () => {
    const { questions, applied, newest } = setUp(clock);
    assert.equal(questions.length, 0);
    await clock.advance(INTERVAL_MS);
    assert.equal(questions.length, 1);
    await clock.advance(INTERVAL_MS * 3);
    assert.equal(questions.length, 1);
    newest().answer(current);
    await clock.advance(INTERVAL_MS);
    assert.equal(questions.length, 2);
    assert.deepEqual(applied, [current]);
  });

  it('says nothing is known before the first answer, then when it was', async () => {
    const { sync, newest } = setUp(clock);
    assert.equal(sync.condition().reachable, false);
    assert.equal(sync.condition().lastAnsweredMonotonicMs, undefined);
    await clock.advance(INTERVAL_MS + 20);
    newest().answer(current);
    await clock.advance(0);
    assert.deepEqual(sync.condition(), {
      reachable: true,
      lastAnsweredMonotonicMs: INTERVAL_MS + 20,
      forked: false,
      error: undefined,
    });
  });

  it('reads at once when asked to, for all who ask together', async () => {
    const { sync, questions, newest } = setUp(clock);
    const both = Promise.all([sync.syncNow(), sync.syncNow()]);
    await clock.advance(0);
    assert.equal(questions.length, 1);
    newest().answer(current);
    const [first] = await both;
    assert.equal(first.reachable, true);
  });

  it('reads anew for who asks while a read is under way: that one may not see the last commit', async () => {
    const { sync, questions, applied, newest } = setUp(clock);
    const early = sync.syncNow();
    await clock.advance(0);
    let done = false;
    const late = sync.syncNow().then(() => {
      done = true;
    });
    newest().answer(current);
    await early;
    await clock.advance(0);
    assert.equal(done, false);
    assert.equal(questions.length, 2);
    const second: Feed = { kind: 'incremental', site: site(2), objects: [] };
    newest().answer(second);
    await late;
    assert.deepEqual(applied, [current, second]);
  });

  it('tells why the database does not answer, keeps when it last did, and comes back by itself', async () => {
    const { sync, newest } = setUp(clock);
    const heard: SyncCondition[] = [];
    sync.onCondition(condition => heard.push(condition));
    await clock.advance(INTERVAL_MS);
    newest().answer(current);
    const cause = new DatabaseUnavailable('missing', 'the file is not there');
    for (let i = 0; i < 3; i++) {
      await clock.advance(INTERVAL_MS);
      newest().fail(cause);
    }
    await clock.advance(0);
    assert.deepEqual(sync.condition(), {
      reachable: false,
      lastAnsweredMonotonicMs: INTERVAL_MS,
      forked: false,
      error: { code: 'missing', message: 'the file is not there', cause },
    });
    await clock.advance(INTERVAL_MS);
    newest().answer(current);
    await clock.advance(0);
    assert.deepEqual(
      heard.map(({ reachable, error }) => [reachable, error?.code]),
      [
        [true, undefined],
        [false, 'missing'],
        [true, undefined],
      ],
    );
  });

  it('is unreachable at the deadline of a read that hangs, and asks nothing more until it ends', async () => {
    const { sync, questions, applied, newest } = setUp(clock);
    const asked = sync.syncNow();
    await clock.advance(DEADLINE_MS);
    assert.equal((await asked).error?.code, 'unreachable');
    const again = sync.syncNow();
    await clock.advance(DEADLINE_MS);
    assert.equal((await again).reachable, false);
    assert.equal(questions.length, 1);
    newest().answer(current);
    await clock.advance(0);
    assert.equal(sync.condition().reachable, true);
    assert.deepEqual(applied, [current]);
    await clock.advance(INTERVAL_MS);
    assert.equal(questions.length, 2);
  });

  describe('a database that lacks what the replica rests on', () => {
    const forked: Feed = { kind: 'forked', site: site(1) };

    it('is forked at once where a lock says so, and for as long as it is', async () => {
      const { sync, newest } = setUp(clock, { isFork: async () => true });
      await clock.advance(INTERVAL_MS);
      newest().answer(forked);
      await clock.advance(0);
      assert.equal(sync.condition().forked, true);
      assert.equal(sync.condition().reachable, true);
      await clock.advance(INTERVAL_MS);
      newest().fail(new DatabaseUnavailable('busy', 'locked'));
      await clock.advance(0);
      assert.equal(sync.condition().forked, true);
      await clock.advance(INTERVAL_MS);
      newest().answer(current);
      await clock.advance(0);
      assert.equal(sync.condition().forked, false);
    });

    for (const [who, isFork] of [
      ['nobody can ask for a lock', undefined],
      ['the lock says that it only lags', async () => false],
      ['the lock cannot be had', () => Promise.reject(new DatabaseUnavailable('busy', 'locked'))],
    ] as const) {
      it(`is forked when it has been so for more than ten seconds, where ${who}`, async () => {
        const { sync, newest } = setUp(clock, isFork && { isFork });
        for (let heldMs = 0; heldMs <= FORK_HELD_FOR_MS; heldMs += INTERVAL_MS) {
          await clock.advance(INTERVAL_MS);
          newest().answer(forked);
          await clock.advance(0);
          assert.equal(sync.condition().forked, false, `after ${heldMs} ms`);
        }
        await clock.advance(INTERVAL_MS);
        newest().answer(forked);
        await clock.advance(0);
        assert.equal(sync.condition().forked, true);
      });
    }

    it('begins anew to wait when the node has caught up in between', async () => {
      const { sync, newest } = setUp(clock);
      for (let read = 0; (read * INTERVAL_MS) / 2 <= FORK_HELD_FOR_MS; read++) {
        await clock.advance(INTERVAL_MS);
        newest().answer(read % 10 === 9 ? current : forked);
        await clock.advance(0);
        assert.equal(sync.condition().forked, false);
      }
    });
  });

  describe('a state that an administrator has accepted instead of what the replica rests on', () => {
    const given: Feed = { kind: 'full', site: site(3), objects: [], drops: true };

    it('is taken when what goes has been put by', async () => {
      const put = Promise.withResolvers<void>();
      const { applied, newest } = setUp(clock, { beforeDrop: () => put.promise });
      await clock.advance(INTERVAL_MS);
      newest().answer(given);
      await clock.advance(0);
      assert.deepEqual(applied, []);
      put.resolve();
      await clock.advance(0);
      assert.deepEqual(applied, [given]);
    });

    it('is asked about where nothing is known to go as well: a damaged copy has not been compared', async () => {
      const asked: boolean[] = [];
      const { newest } = setUp(clock, { beforeDrop: async ({ drops = false }) => asked.push(drops) });
      await clock.advance(INTERVAL_MS);
      newest().answer({ kind: 'full', site: given.site, objects: [] });
      await clock.advance(0);
      assert.deepEqual(asked, [false]);
    });

    it('is not taken as long as that fails', async () => {
      const { sync, applied, newest } = setUp(clock, { beforeDrop: () => Promise.reject(new Error('disk full')) });
      await clock.advance(INTERVAL_MS);
      newest().answer(given);
      await clock.advance(0);
      assert.deepEqual([applied, sync.condition().error?.code], [[], 'replica_failed']);
    });
  });

  it('takes nothing from a database of another site', async () => {
    const { sync, applied, newest } = setUp(clock);
    await clock.advance(INTERVAL_MS);
    newest().fail(new DatabaseUnavailable('other_site', 'another site'));
    await clock.advance(0);
    const { reachable, forked, error } = sync.condition();
    assert.deepEqual([reachable, forked, error?.code], [false, false, 'other_site']);
    assert.deepEqual(applied, []);
  });

  it('tells a replica that fails from a database that does', async () => {
    const { sync, newest, refuseWith } = setUp(clock);
    refuseWith(new Error('disk full'));
    await clock.advance(INTERVAL_MS);
    newest().answer(current);
    await clock.advance(0);
    assert.equal(sync.condition().reachable, true);
    assert.equal(sync.condition().error?.code, 'replica_failed');
    refuseWith(undefined);
    await clock.advance(INTERVAL_MS);
    newest().answer(current);
    await clock.advance(0);
    assert.equal(sync.condition().error, undefined);
  });

  it('knows of a fork until its end was taken: a read that the replica did not take ends none', async () => {
    const { sync, newest, refuseWith } = setUp(clock, { isFork: async () => true });
    const forked: Feed = { kind: 'forked', site: site(1) };
    const reads = async (feed: Feed) => {
      await clock.advance(INTERVAL_MS);
      newest().answer(feed);
      await clock.advance(0);
      return sync.condition().forked;
    };
    assert.equal(await reads(forked), true);
    refuseWith(new Error('disk full'));
    assert.deepEqual([await reads(forked), await reads(current)], [true, true]);
    refuseWith(undefined);
    assert.equal(await reads(current), false);
  });

  it('applies and asks nothing after it was stopped, and leaves no timer', async () => {
    const { sync, questions, applied, newest } = setUp(clock);
    await clock.advance(INTERVAL_MS);
    const stopped = sync.stop();
    newest().answer(current);
    await stopped;
    await sync.syncNow();
    await clock.advance(INTERVAL_MS * 10);
    assert.equal(questions.length, 1);
    assert.deepEqual(applied, []);
    assert.equal(clock.waiting(), 0);
  });
});
