type Waiting<E> = { readonly entry: E; readonly resolve: () => void; readonly reject: (why: unknown) => void };

export type GroupCommit<E> = {
  /** Resolves when the entry is on disk; rejects when it is not, and never will be. */
  add(entry: E): Promise<void>;
  /** Writes what waits, now. */
  flush(): void;
};

/**
 * What is added in one turn of the event loop goes to disk in one transaction: one flush of the disk for all the logins that
 * were read from the sockets together, and none waits for more to come.
 *
 * `write` is one transaction: all of its entries, or none and an error. `onWritten` comes after the entries have resolved.
 */
export function createGroupCommit<E>(write: (entries: readonly E[]) => void, onWritten: () => void): GroupCommit<E> {
  let waiting: Waiting<E>[] = [];

  function flush(): void {
    const group = waiting;
    waiting = [];
    if (group.length === 0) return;
    const written = attempt(group) || group.filter(one => attempt([one])).length > 0;
    if (written) onWritten();
  }

  /** A group that fails is tried one by one: an entry that cannot be written fails alone. */
  function attempt(group: readonly Waiting<E>[]): boolean {
    try {
      write(group.map(({ entry }) => entry));
      for (const { resolve } of group) resolve();
      return true;
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      return false;
    }
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
