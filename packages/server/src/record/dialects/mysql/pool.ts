/** What a pool needs of a connection. */
export type Poolable = {
  ping(deadlineMs: number): Promise<void>;
  isLost(): boolean;
  destroy(): void;
  end(): void;
};

export type PoolOptions<C extends Poolable> = {
  /** `signal`: nobody wants the connection any more. */
  readonly open: (signal: AbortSignal) => Promise<C>;
  /** At most so many connections at the same time. */
  readonly size: number;
  /** Nobody waits longer for a connection. */
  readonly waitMs: number;
  /** The rejection of whoever has waited in vain; `opening`: no connection was made in that time, else all were in use. */
  readonly tooLate: (opening: boolean) => Error;
  /** More than these do not wait: nobody fills this process with what a slow database has not taken. */
  readonly maxWaiting: number;
  /** The rejection of whoever finds so many before him. */
  readonly tooMany: () => Error;
};

/** How many connections work, rest, are wanted, and may be at the most. */
export type PoolLoad = {
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly limit: number;
};

export type Pool<C extends Poolable> = {
  load(): PoolLoad;
  /** Runs `work` on a connection of its own. `used`: it has been used before, so the other side may have ended it since. */
  run<T>(work: (connection: C, used: boolean) => Promise<T>): Promise<T>;
  /** Resolves when no work is under way any more; what takes longer than a second loses its connection. */
  close(): Promise<void>;
};

/** A connection that was idle for longer is asked whether it still works. */
const TRUSTED_IDLE_MS = 1_000;
/** Its answer; the rest of the wait is for a new one. */
const PING_DEADLINE_MS = 1_000;

/** What is under way when the pool is closed has this long: a planned stop must not wait for a database that hangs. */
const CLOSE_GRACE_MS = 1_000;

/** The pool was closed: a defect of whoever goes on using it, or the end of a work that was under way. */
export class PoolClosed extends Error {
  override readonly name = 'PoolClosed';
  constructor() {
    super('the source of record is closed');
  }
}

type Waiter<C> = { readonly take: (connection: C) => void; readonly fail: (error: unknown) => void };

/**
 * Connections for one work each. Only one is made at a time: a database that hangs has one attempt before it, however many
 * wait for it, and one that is dead is told to all of them at once. One that was lost takes the idle ones with it: they
 * have the same other side, and each would cost a deadline of its own.
 */
export function createPool<C extends Poolable>(options: PoolOptions<C>): Pool<C> {
  const { size, waitMs, maxWaiting } = options;
  const idle: { readonly connection: C; readonly sinceMs: number }[] = [];
  const used = new WeakSet<C>();
  const waiters: Waiter<C>[] = [];
  const borrowed = new Set<C>();
  let opening = false;
  let closed = false;
  const ended = Promise.withResolvers<void>();
  const givingUp = new AbortController();

  function dropIdle(): void {
    for (const { connection } of idle.splice(0)) connection.destroy();
  }

  function openOne(): void {
    if (opening || closed || waiters.length === 0 || borrowed.size + idle.length >= size) return;
    opening = true;
    options
      .open(givingUp.signal)
      .then(give, error => {
        for (const waiter of waiters.splice(0)) waiter.fail(error);
      })
      .finally(() => {
        opening = false;
        openOne();
        endIfDone();
      });
  }

  /** To whoever waits longest, else to the idle ones. */
  function give(connection: C): void {
    if (closed) return connection.end();
    const waiter = waiters.shift();
    if (waiter === undefined) {
      idle.push({ connection, sinceMs: performance.now() });
      return;
    }
    borrowed.add(connection);
    waiter.take(connection);
  }

  function wait(): Promise<C> {
    if (waiters.length >= maxWaiting) return Promise.reject(options.tooMany());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiters.splice(waiters.indexOf(waiter), 1);
        reject(options.tooLate(opening));
      }, waitMs);
      const waiter: Waiter<C> = {
        take(connection) {
          clearTimeout(timer);
          resolve(connection);
        },
        fail(error) {
          clearTimeout(timer);
          reject(error);
        },
      };
      waiters.push(waiter);
      openOne();
    });
  }

  async function borrow(): Promise<C> {
    if (closed) throw new PoolClosed();
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      const { connection, sinceMs } = last;
      if (connection.isLost()) continue;
      borrowed.add(connection);
      if (performance.now() - sinceMs <= TRUSTED_IDLE_MS) return connection;
      try {
        await connection.ping(PING_DEADLINE_MS);
        return connection;
      } catch {
        takeBack(connection);
      }
    }
    return wait();
  }

  function takeBack(connection: C): void {
    borrowed.delete(connection);
    if (connection.isLost()) {
      dropIdle();
    } else {
      used.add(connection);
      give(connection);
    }
    openOne();
    endIfDone();
  }

  function endIfDone(): void {
    if (closed && borrowed.size === 0 && !opening) ended.resolve();
  }

  return {
    load: () => ({ inUse: borrowed.size, idle: idle.length, waiting: waiters.length, limit: size }),
    async run(work) {
      const connection = await borrow();
      try {
        return await work(connection, used.has(connection));
      } finally {
        takeBack(connection);
      }
    },
    close() {
      closed = true;
      givingUp.abort();
      for (const { connection } of idle.splice(0)) connection.end();
      for (const waiter of waiters.splice(0)) waiter.fail(new PoolClosed());
      endIfDone();
      const timer = setTimeout(() => {
        for (const connection of borrowed) connection.destroy();
      }, CLOSE_GRACE_MS);
      return ended.promise.finally(() => clearTimeout(timer));
    },
  };
}
