import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CommitTransaction, ReplicaPosition, SiteRow, SourceOfRecord } from '../../packages/server/src/ports.ts';
import { DatabaseUnavailable } from '../../packages/server/src/record/errors.ts';
import { AS_PRIMARY, PRIMARY } from './record-fixtures.ts';

/** For `assert.rejects`. */
export function assertUnavailable(error: unknown): true {
  assert.ok(error instanceof DatabaseUnavailable, `expected DatabaseUnavailable, got ${error}`);
  return true;
}

/** One commit that writes. */
export async function commit<T>(record: SourceOfRecord, work: (transaction: CommitTransaction) => Promise<T>) {
  const outcome = await record.commit(AS_PRIMARY, async transaction => {
    return { write: true, result: await work(transaction) };
  });
  assert.ok(outcome.kind === 'committed', `expected a commit, got ${outcome.kind}`);
  return outcome;
}

export function putUser(record: SourceOfRecord, name: string, displayName: string = name) {
  return commit(record, transaction => transaction.put('User', name, { displayName }, {}));
}

/** An administrator's word for the state that is there. */
export async function raiseEpoch(record: SourceOfRecord, epoch: number) {
  const raise = { from: await standing(record), epoch, primaryInstance: PRIMARY, actor: 'local' };
  const raised = await record.raiseEpoch(raise, async () => {});
  assert.ok(raised, 'the database has changed meanwhile');
  return raised;
}

export function positionOf({ siteId, version, commitId }: SiteRow): ReplicaPosition {
  return { siteId, version, commitId };
}

export async function standing(record: SourceOfRecord): Promise<ReplicaPosition> {
  const site = await record.site();
  assert.ok(site, 'there is no site');
  return positionOf(site);
}

/** Follows the feed as a replica does, until `done` and then to the end. */
export async function followFeed(record: SourceOfRecord, done: Promise<unknown>) {
  const users = new Map<string, unknown>();
  let position: ReplicaPosition | undefined;
  let reads = 0;
  let last = false;
  done.finally(() => {
    last = true;
  });
  for (;;) {
    const final = last;
    const feed = await record.feed(position);
    reads++;
    assert.notEqual(feed.kind, 'forked');
    for (const { name, body, generation } of 'objects' in feed ? feed.objects : []) {
      assert.ok(generation <= feed.site.version.generation, 'an object is newer than the site row of its snapshot');
      users.set(name, body);
    }
    position = positionOf(feed.site);
    if (final) {
      await done;
      return { site: feed.site, reads, users: () => users };
    }
    await nextTurn();
  }
}
