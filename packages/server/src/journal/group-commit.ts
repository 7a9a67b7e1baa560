type Waiting<E> = { readonly entry: E; readonly resolve: () => void; readonly reject: (why: unknown) => void };

export type GroupCommit<E> = {
  /** Resolves when the entry is on disk; rejects when it is not, and never will be. */
  add(entry: E): Promise<void>;
  /** Writes what waits, now. */
  flush(): void;
};

export type GroupCommitOptions<E> = {
  /** One transaction: all of its entries, or none and an error. */
  readonly write: (entries: readonly E[]) => void;
  /** An error that every other entry would meet as well (disk full, file locked); else one of them is at fault. */
  readonly concernsAll: (error: unknown) => boolean;
  /** Called after entries were written. */
  readonly onWritten: () => void;
};

/**
 * What is added in one turn of the event loop goes to disk in one transaction: one flush of the disk for all the logins that
 * were read from the sockets together, and none waits for more to come. An entry that cannot be written fails alone.
 */
export function createGroupCommit<E>({ write, concernsAll, onWritten }: GroupCommitOptions<E>): GroupCommit<E> {
  let waiting: Waiting<E>[] = [];

  function flush(): void {
    const group = waiting;
    waiting = [];
    if (group.length > 0 && settle(group)) onWritten();
  }

  /** Whether anything was written. */
  function settle(group: readonly Waiting<E>[]): boolean {
    try {
      write(group.map(({ entry }) => entry));
    } catch (error) {
      if (group.length > 1 && !concernsAll(error)) return group.filter(one => settle([one])).length > 0;
      for (const { reject } of group) reject(error);
      return false;
    }
    for (const { resolve } of group) resolve();
    return true;
  }

  return {
    add(entry) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      if (waiting.push({ entry, resolve, reject }) === 1) setImmediate(flush);
      return promise;
    },
    flush,
  };
}
