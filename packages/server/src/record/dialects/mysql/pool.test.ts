import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createPool, type Pool, type Poolable } from './pool.ts';

const WAIT_MS = 2_500;
const MAX_WAITING = 4;
const TOO_MANY = new Error('too many');
const TOO_LATE = new Error('too late');
const GONE = new Error('gone');

class FakeConnection implements Poolable {
  lost = false;
  ended = false;
  pings = 0;
  alive = true;
  async ping(deadlineMs: number): Promise<void> {
    this.pings++;
    if (this.alive) return;
    await new Promise(resolve => setTimeout(resolve, deadlineMs));
    this.lost = true;
    throw GONE;
  }
  isLost = () => this.lost;
  destroy = () => {
    this.lost = true;
  };
  end = () => {
    this.ended = true;
    this.lost = true;
  };
}

/** What runs on a connection until it is let go. */
type Held = { readonly done: Promise<unknown>; release(): void; readonly on: Promise<FakeConnection> };

describe('a pool of connections', () => {
  let attempts: PromiseWithResolvers<FakeConnection>[];
  let pool: Pool<FakeConnection>;
  /** What the next attempts come to; without any they stay open. */
  let outcomes: (FakeConnection | Error)[];
  let nowMs: number;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    nowMs = 0;
    mock.method(performance, 'now', () => nowMs);
    attempts = [];
    outcomes = [];
    pool = createPool<FakeConnection>({
      size: 2,
      waitMs: WAIT_MS,
      tooLate: () => TOO_LATE,
      maxWaiting: MAX_WAITING,
      tooMany: () => TOO_MANY,
      open(signal) {
        const attempt = Promise.withResolvers<FakeConnection>();
        attempts.push(attempt);
        signal.addEventListener('abort', () => attempt.reject(GONE));
        const outcome = outcomes.shift();
        if (outcome instanceof Error) attempt.reject(outcome);
        else if (outcome !== undefined) attempt.resolve(outcome);
        return attempt.promise;
      },
    });
  });
  afterEach(() => {
    mock.reset();
  });

  const pass = async (ms: number) => {
    nowMs += ms;
    mock.timers.tick(ms);
    await nextTurn();
  };
  function hold(): Held {
    const on = Promise.withResolvers<FakeConnection>();
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = pool.run(connection => {
      on.resolve(connection);
      return promise;
    });
    done.catch(on.reject);
    on.promise.catch(() => {});
    return { done, release: resolve, on: on.promise };
  }

  it('uses one again, and makes no more than it may', async () => {
    outcomes = [new FakeConnection(), new FakeConnection()];
    const [first, second, third] = [hold(), hold(), hold()];
    const connection = await first.on;
    assert.notEqual(await second.on, connection);
    assert.equal(attempts.length, 2);
    first.release();
    assert.equal(await third.on, connection);
    second.release();
    third.release();
    await Promise.all([second.done, third.done]);
    assert.equal(attempts.length, 2);
  });

  it('tells whoever uses one whether it was used before', async () => {
    outcomes = [new FakeConnection()];
    const used: boolean[] = [];
    for (let i = 0; i < 2; i++) await pool.run(async (_connection, before) => used.push(before));
    assert.deepEqual(used, [false, true]);
  });

  it('makes one attempt at a time, and tells all who wait when it fails', async () => {
    const waiting = [pool.run(async () => {}), pool.run(async () => {}), pool.run(async () => {})];
    await nextTurn();
    assert.equal(attempts.length, 1);
    attempts[0]?.reject(GONE);
    for (const one of waiting) await assert.rejects(one, GONE);
    assert.equal(attempts.length, 1);
  });

  it('lets nobody wait for longer than the limit; who comes later takes the same attempt', async () => {
    const early = assert.rejects(
      pool.run(async () => {}),
      TOO_LATE,
    );
    await pass(WAIT_MS);
    await early;
    const late = pool.run(async () => 'here');
    await pass(100);
    assert.equal(attempts.length, 1);
    attempts[0]?.resolve(new FakeConnection());
    assert.equal(await late, 'here');
  });

  it('lets no more wait than its limit: who comes then is told at once, and the others have their turn', async () => {
    outcomes = [new FakeConnection(), new FakeConnection()];
    const held = [hold(), hold()];
    await Promise.all(held.map(({ on }) => on));
    const waiting = Array.from({ length: MAX_WAITING }, () => pool.run(async () => 'here'));
    await assert.rejects(
      pool.run(async () => {}),
      TOO_MANY,
    );
    for (const { release } of held) release();
    assert.deepEqual(
      await Promise.all(waiting),
      waiting.map(() => 'here'),
    );
  });

  it('asks one that was idle for a while whether it is there, and replaces it if not', async () => {
    const [idle, fresh] = [new FakeConnection(), new FakeConnection()];
    outcomes = [idle, fresh];
    await pool.run(async () => {});
    await pool.run(async () => {});
    assert.equal(idle.pings, 0);
    await pass(60_000);
    await pool.run(async () => {});
    assert.equal(idle.pings, 1);

    idle.alive = false;
    await pass(60_000);
    const used = pool.run(async connection => connection);
    await pass(1_000);
    assert.equal(await used, fresh);
  });

  it('gives up the idle ones with one that was lost: they would be so too, a deadline each', async () => {
    const [first, second, fresh] = [new FakeConnection(), new FakeConnection(), new FakeConnection()];
    outcomes = [first, second, fresh];
    const held = [hold(), hold()];
    await Promise.all(held.map(({ on }) => on));
    for (const { release } of held) release();
    await Promise.all(held.map(({ done }) => done));
    await pool.run(async connection => connection.destroy());
    assert.deepEqual([first.lost, second.lost], [true, true]);
    assert.equal(await pool.run(async connection => connection), fresh);
  });

  it('passes on what the work throws, and goes on', async () => {
    const connection = new FakeConnection();
    outcomes = [connection];
    const failing = pool.run(async () => {
      throw GONE;
    });
    await assert.rejects(failing, GONE);
    assert.equal(await pool.run(async again => again), connection);
  });

  it('ends when its works have ended; attempts and waits end at once', async () => {
    const connection = new FakeConnection();
    outcomes = [connection];
    const held = hold();
    await held.on;
    const opening = pool.run(async () => {});
    const refused = assert.rejects(opening, /closed/);
    await nextTurn();
    let closed = false;
    const closing = pool.close().then(() => {
      closed = true;
    });
    await refused;
    await nextTurn();
    assert.equal(closed, false);
    held.release();
    await closing;
    assert.equal(connection.ended, true);
    await assert.rejects(
      pool.run(async () => {}),
      /closed/,
    );
  });

  it('takes the connection from a work that does not end when all else has', async () => {
    const connection = new FakeConnection();
    outcomes = [connection];
    const hanging = Promise.withResolvers<void>();
    connection.destroy = () => hanging.reject(GONE);
    const work = assert.rejects(
      pool.run(() => hanging.promise),
      GONE,
    );
    await nextTurn();
    const closing = pool.close();
    await pass(1_000);
    await Promise.all([work, closing]);
  });

  it('says how many connections work and rest, and how much work waits', async () => {
    outcomes = [new FakeConnection(), new FakeConnection()];
    const before = pool.load();
    assert.deepEqual(before, { inUse: 0, idle: 0, waiting: 0, limit: before.limit });
    const held = Array.from({ length: before.limit }, () => hold());
    await Promise.all(held.map(({ on }) => on));
    const waiting = pool.run(async () => {});
    await nextTurn();
    assert.deepEqual(pool.load(), { inUse: before.limit, idle: 0, waiting: 1, limit: before.limit });
    for (const { release } of held) release();
    await waiting;
    await nextTurn();
    assert.deepEqual(pool.load(), { inUse: 0, idle: before.limit, waiting: 0, limit: before.limit });
  });
});
