import { ADMIN_DATABASE_DEADLINE_MS, type SiteStatement, type Version } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Clock, CommitTransaction } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { startSilence } from './silence.ts';

/** One object touched by a commit, as its event tells it: never what is in it. */
export type Touched = {
  readonly kind: string;
  readonly name: string;
  readonly change: 'created' | 'updated' | 'deleted';
};

/** What the work of a commit says at its end: the answer, and what it touched. Nothing touched = nothing written. */
export type Work<T> = {
  readonly result: T;
  readonly touched: readonly Touched[];
  /** Something beside objects was changed. */
  readonly write?: true;
};

export type Committed<T> = { readonly version: Version; readonly result: T };

/** Objects named in the event of one commit; more are counted. Keeps it far below the largest event (16 KiB). */
const MAX_TOUCHED_IN_EVENT = 30;

/** Time for writing one object, beside the deadline: ten times what a durable insert takes on MariaDB (`traps.md`). */
const WRITE_ALLOWANCE_MS = 3;

/** Refuses where this server is not the Primary, with where administration happens. */
export function refusalUnlessPrimary(deps: Pick<WriteDeps, 'replica' | 'identity' | 'statement'>) {
  const site = deps.replica.site();
  if (site === undefined) return refused('not_serving', { detail: 'This server has no data of its site yet.' });
  const statement = deps.statement();
  const isNamed = site.primaryInstance === deps.identity.instance;
  // A statement of a later epoch: another server was promoted, or restored in this one's place, whatever its database says.
  const { wrappingKey } = primaryOf(statement) ?? {};
  const isSuperseded = statement.epoch > site.version.epoch && wrappingKey !== deps.identity.wrappingKey;
  return isNamed && !isSuperseded ? undefined : notPrimary(deps);
}

export const primaryOf = ({ servers }: SiteStatement) => servers.find(({ role }) => role === 'primary');

function notPrimary(deps: Pick<WriteDeps, 'statement'>) {
  const primary = primaryOf(deps.statement());
  if (primary === undefined) return refused('not_primary');
  const { name, url } = primary;
  return refused('not_primary', { detail: `Ask the Primary instead: ${name}, ${url}`, primaryUrl: url });
}

/** Nothing is written into a database that lacks what this server has seen. */
export function refusedByFork() {
  return refused('database_forked', {
    detail:
      "Put the newer database back; or, on the Primary's host, look at what this one lacks (thinman-server accept-database --data DIR --dry-run) and accept it.",
  });
}

/** Two Primaries in one epoch: what either wrote now would be given up on one side. */
function refusedByContest(rival: SiteStatement) {
  const { name, url } = primaryOf(rival) ?? { name: 'another server', url: 'not listed' };
  return refused('epoch_contested', {
    detail: `It is ${name} (${url}). On the host of the one that is to count: thinman-server accept-database --data DIR. The other one then exports what it alone has. Nothing was changed.`,
  });
}

/**
 * One administrative write: a transaction on the source of record, then the replica brought up to it, then the event.
 * Refuses where this server is not the Primary, and when the database falls silent for 10 s.
 */
export async function commit<T>(
  deps: WriteDeps,
  actor: Actor,
  work: (transaction: CommitTransaction) => Promise<Work<T>>,
): Promise<Outcome<Committed<T>>> {
  const notHere = refusalUnlessPrimary(deps);
  if (notHere !== undefined) return notHere;
  const rival = deps.rival?.();
  if (rival !== undefined) return refusedByContest(rival);
  if (deps.isIsolated?.() === true) {
    return refused('isolated', {
      detail: 'If none was, and it is to go on alone: thinman-server start --isolated. Nothing was changed.',
    });
  }
  const position = deps.replica.position();
  if (position === undefined) return refused('not_serving');

  const silence = startSilence(deps.clock, ADMIN_DATABASE_DEADLINE_MS);
  const by = {
    instance: deps.identity.instance,
    epoch: position.version.epoch,
    actor: actor.name,
    restsOn: [position, ...(deps.alsoSeen?.() ?? [])],
  };
  const committing = deps.record.commit(by, async transaction => {
    const made = await work(audible(transaction, silence.broken));
    silence.broken(made.touched.length * WRITE_ALLOWANCE_MS);
    return { write: made.write === true || made.touched.length > 0, result: { ...made, version: transaction.version } };
  });
  const outcome = await silence.orLate(committing);
  if (outcome === 'late') {
    return refused('database_unavailable', {
      detail: 'The database does not answer. Whether the change was made is not known: look before you repeat it.',
    });
  }
  switch (outcome.kind) {
    case 'stepped_down':
      return notPrimary(deps);
    case 'forked':
      return refusedByFork();
    case 'abandoned': {
      const { version, result } = outcome.result;
      return done({ version: { ...version, generation: version.generation - 1 }, result });
    }
    case 'committed':
      await afterCommit(deps, actor, outcome.version, outcome.result.touched);
      return done({ version: outcome.version, result: outcome.result.result });
  }
}

/** The transaction, telling of every answer of the database. */
function audible(transaction: CommitTransaction, heard: () => void): CommitTransaction {
  const telling =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const result = await call(...args);
      heard();
      return result;
    };
  return {
    version: transaction.version,
    commitId: transaction.commitId,
    get: telling(transaction.get),
    list: telling(transaction.list),
    put: telling(transaction.put),
    remove: telling(transaction.remove),
    statement: telling(transaction.statement),
    setStatement: telling(transaction.setStatement),
    siteCas: telling(transaction.siteCas),
    setSiteCas: telling(transaction.setSiteCas),
    putFile: telling(transaction.putFile),
    hasFile: telling(transaction.hasFile),
    files: telling(transaction.files),
    removeFiles: telling(transaction.removeFiles),
  };
}

/** The commit stands, whatever happens here: the replica follows by itself within its interval, history has the commit. */
async function afterCommit(deps: WriteDeps, actor: Actor, version: Version, touched: readonly Touched[]) {
  const more = touched.length - MAX_TOUCHED_IN_EVENT;
  // What a caller knows beside that of an object (its bodies, its credential) is for no event.
  const changes = touched.slice(0, MAX_TOUCHED_IN_EVENT).map(({ kind, name, change }) => ({ kind, name, change }));
  const data = { ...version, actor: actor.name, changes, ...(more > 0 ? { more } : {}) };
  await Promise.allSettled([deps.syncNow(), deps.events.write('admin.commit', data)]);
}

/** One question to the database: its answer, or `late` after 10 s (the contract of administration without a database). */
export function withinDatabaseDeadline<T>(clock: Pick<Clock, 'after'>, question: Promise<T>): Promise<T | 'late'> {
  return startSilence(clock, ADMIN_DATABASE_DEADLINE_MS).orLate(question);
}
