// A replica ends where its source of record stands, whatever happened on the way: a suite over an implementation.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ObjectKind } from '@thinman/protocol';
import fc from 'fast-check';
import type { Feed, Replica, SourceOfRecord, StoredObject } from '../../packages/server/src/ports.ts';
import { openReplica } from '../../packages/server/src/replica/replica.ts';
import { createSync } from '../../packages/server/src/replica/sync.ts';
import { manualClock } from '../support/manual-clock.ts';
import { AS_PRIMARY, newSite, SITE_ID } from '../support/record-fixtures.ts';
import { commit, positionOf } from '../support/record-steps.ts';
import type { RecordLab } from './source-of-record.ts';

const KINDS: readonly ObjectKind[] = ['User', 'Device', 'Policy'];

const NAMES = ['a', 'b', 'c', 'é'];
const HUNDRED_DAYS_MS = 100 * 24 * 60 * 60_000;

type Change = { readonly kind: ObjectKind; readonly name: string; readonly value: number | undefined };
type Step =
  | { readonly do: 'commit'; readonly changes: readonly Change[]; readonly abandon: boolean }
  | { readonly do: 'sync' | 'reopen replica' | 'lose replica' | 'reopen record' }
  /** Every tombstone is old enough. */
  | { readonly do: 'compact' }
  /** A feed that was read, but is applied only after the steps behind it. */
  | { readonly do: 'read early' | 'apply late' };

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...KINDS),
  name: fc.constantFrom(...NAMES),
  value: fc.option(fc.nat(9), { nil: undefined }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('commit'),
      changes: fc.array(change, { maxLength: 4 }),
      abandon: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'sync',
        'compact',
        'read early',
        'apply late',
        'reopen replica',
        'lose replica',
        'reopen record',
      ),
    }),
  },
) as fc.Arbitrary<Step>;

const plain = ({ kind, name, uid, generation, body, system, deleted }: StoredObject) =>
  JSON.stringify({ kind, name, uid, generation, body, system, deleted });

/** Everything that a replica holds, tombstones too. */
function contentOf(replica: Replica): string[] {
  const found = KINDS.flatMap(kind => NAMES.map(name => replica.find(kind, name)));
  return found.flatMap(object => (object === undefined ? [] : [plain(object)])).sort();
}

/** `runs`: how many histories are tried. */
export function replicaFollowsContract(
  name: string,
  prepare: () => RecordLab | Promise<RecordLab>,
  runs: number,
): void {
  describe(`a replica and its source of record: ${name}`, () => {
    it('are equal after any commits and syncs, losses and restarts, in any order', { timeout: 120_000 }, () =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
          const lab = await prepare();
          const dir = mkdtempSync(join(tmpdir(), 'thinman-follows-'));
          const path = join(dir, 'replica.db');
          const clock = manualClock();
          const open = () => openReplica(path, { clock, siteId: SITE_ID });
          let record: SourceOfRecord = lab.open();
          let replica = open();
          let early: Feed | undefined;
          try {
            await record.initialise(newSite(), []);
            for (const one of steps) {
              const before = replica.position()?.version.generation ?? 0;
              switch (one.do) {
                case 'commit':
                  await run(record, one);
                  break;
                case 'sync':
                  replica.apply(await record.feed(replica.position()));
                  break;
                case 'compact':
                  await record.compact(AS_PRIMARY, clock.nowMs() + HUNDRED_DAYS_MS);
                  break;
                case 'read early':
                  early = await record.feed(replica.position());
                  break;
                case 'apply late':
                  if (early !== undefined) replica.apply(early);
                  break;
                case 'reopen replica':
                  replica.close();
                  replica = open();
                  break;
                case 'lose replica':
                  // What was read for the lost one says nothing to the new one, unless it was everything.
                  replica.close();
                  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
                  replica = open();
                  break;
                case 'reopen record':
                  await record.close();
                  record = lab.open();
                  break;
              }
              const now = replica.position()?.version.generation ?? 0;
              assert.ok(now >= before || one.do === 'lose replica', `went back from ${before} to ${now}`);
            }
            const sync = createSync({ record, replica, clock });
            const condition = await sync.syncNow();
            await sync.stop();
            assert.deepEqual([condition.reachable, condition.forked, condition.error], [true, false, undefined]);

            const truth = await record.feed(undefined);
            assert.ok(truth.kind === 'full');
            assert.deepEqual(replica.position(), positionOf(truth.site));
            assert.deepEqual(contentOf(replica), truth.objects.map(plain).sort());
          } finally {
            replica.close();
            await record.close();
            await lab.remove();
            rmSync(dir, { recursive: true, force: true });
          }
        }),
        { numRuns: runs },
      ),
    );
  });
}

async function run(record: SourceOfRecord, { changes, abandon }: Extract<Step, { do: 'commit' }>): Promise<void> {
  const work = async (transaction: Parameters<Parameters<SourceOfRecord['commit']>[1]>[0]) => {
    for (const { kind, name, value } of changes) {
      if (value === undefined) await transaction.remove(kind, name);
      else await transaction.put(kind, name, { value }, { kept: name });
    }
  };
  if (!abandon) {
    await commit(record, work);
    return;
  }
  const by = { instance: newSite().primaryInstance, epoch: 1, actor: 'admin' };
  await record.commit(by, async transaction => ({ write: false, result: await work(transaction) }));
}
