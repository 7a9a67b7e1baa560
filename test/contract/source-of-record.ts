// What every source of record keeps to: a suite over an implementation. `source-of-record.DIALECT.test.ts` hands one in.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ObjectKind, RecordedEvent } from '@thinman/protocol';
import type {
  ChangedSince,
  Committer,
  Feed,
  ReplicaPosition,
  SourceOfRecord,
} from '../../packages/server/src/ports.ts';
import { AS_PRIMARY, newSite, recordedEvent, SITE_ID } from '../support/record-fixtures.ts';
import {
  assertUnavailable,
  commit,
  followFeed,
  positionOf,
  putUser,
  raiseEpoch,
  standing,
} from '../support/record-steps.ts';
import { deploymentContract } from './deployment-record.ts';

/** `siteId`: of the server's site. `instance`: of a server that brings an older schema up. */
export type OpenOptions = Partial<Readonly<Record<'siteId' | 'instance', string>>> & { readonly readOnly?: boolean };
export type SiteColumns = Partial<Record<'id' | 'epoch' | 'compactedGeneration' | 'schema', number>> & {
  readonly siteId?: string;
};

/** A database to try things on. */
export type RecordLab = {
  /** One more handle on the database, as another server or a restarted one has. */
  open(options?: OpenOptions): SourceOfRecord;
  takeAway(): void | Promise<void>;
  bringBack(): void | Promise<void>;
  /** A copy of the database as it is now … */
  backUp(): void | Promise<void>;
  /** … put in its place again. */
  restore(): void | Promise<void>;
  /** Changes the site row behind everybody's back. */
  alterSite(values: SiteColumns): void | Promise<void>;
  /** Ids of the events in the quarantine. */
  quarantined(): readonly string[] | Promise<readonly string[]>;
  remove(): void | Promise<void>;
};

const USER: ObjectKind = 'User';
const objectsOf = (feed: Feed) => ('objects' in feed ? feed.objects : []);

export function sourceOfRecordContract(name: string, prepare: () => RecordLab | Promise<RecordLab>): void {
  describe(`source of record: ${name}`, () => {
    let lab: RecordLab;
    let record: SourceOfRecord;
    let opened: SourceOfRecord[] = [];
    const open = (options?: OpenOptions) => {
      const handle = lab.open(options);
      opened.push(handle);
      return handle;
    };

    beforeEach(async () => {
      lab = await prepare();
      record = open();
    });
    afterEach(async () => {
      await Promise.all(opened.map(handle => handle.close()));
      opened = [];
      await lab.remove();
    });

    describe('making the site', () => {
      it('claims no site before there is one', async () => {
        const site = await record.site().catch(error => void assertUnavailable(error));
        assert.equal(site, undefined);
        await assert.rejects(record.feed(undefined), assertUnavailable);
      });

      it('begins at generation 1 of epoch 1 with the objects given', async () => {
        const made = await record.initialise(newSite(), [
          { kind: 'Administrator', name: 'admin', body: { role: 'owner' }, system: { passwordHash: 'h' } },
        ]);
        assert.deepEqual(made.version, { epoch: 1, generation: 1 });
        assert.deepEqual(await record.site(), made);
        assert.equal(made.siteId, SITE_ID);
        assert.deepEqual(made.statement, newSite().statement);
        const feed = await record.feed(undefined);
        assert.equal(feed.kind, 'full');
        const [admin, ...rest] = objectsOf(feed);
        assert.equal(rest.length, 0);
        assert.deepEqual(admin?.body, { role: 'owner' });
        assert.deepEqual(admin?.system, { passwordHash: 'h' });
        assert.equal(admin?.generation, 1);
        assert.match(admin?.uid ?? '', /^[0-9a-f-]{36}$/);
      });

      it('never overwrites a site', async () => {
        const made = await record.initialise(newSite(), []);
        await assert.rejects(open().initialise(newSite({ primaryInstance: 'thief' }), []), { name: 'SiteExists' });
        assert.deepEqual(await record.site(), made);
      });
    });

    describe('committing', () => {
      beforeEach(() => record.initialise(newSite(), []));

      it('raises the generation by one and stamps what it touches', async () => {
        const outcome = await putUser(record, 'alice');
        assert.deepEqual(outcome.version, { epoch: 1, generation: 2 });
        await putUser(record, 'bob');
        const site = await record.site();
        assert.equal(site?.version.generation, 3);
        assert.notEqual(site?.commitId, outcome.commitId);
        const stamps = objectsOf(await record.feed(undefined)).map(({ name, generation }) => [name, generation]);
        assert.deepEqual(stamps.sort(), [
          ['alice', 2],
          ['bob', 3],
        ]);
      });

      it('shows a commit its own writes, and nobody else before it ends', async () => {
        await putUser(record, 'alice');
        const other = open({ readOnly: true });
        await commit(record, async transaction => {
          await transaction.put(USER, 'bob', { displayName: 'Bob' }, {});
          await transaction.remove(USER, 'alice');
          assert.deepEqual((await transaction.get(USER, 'bob'))?.body, { displayName: 'Bob' });
          assert.equal(await transaction.get(USER, 'alice'), undefined);
          assert.deepEqual(
            (await transaction.list(USER)).map(user => user.name),
            ['bob'],
          );
          assert.deepEqual(
            objectsOf(await other.feed(undefined)).map(user => user.name),
            ['alice'],
          );
        });
      });

      it('keeps the uid through changes, and gives a new one to a name created anew', async () => {
        const created = (await putUser(record, 'alice')).result;
        const changed = (await putUser(record, 'alice', 'Alice Rossi')).result;
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        const again = (await putUser(record, 'alice')).result;
        assert.equal(changed.uid, created.uid);
        assert.notEqual(again.uid, created.uid);
      });

      it('leaves a tombstone that keeps what servers keep', async () => {
        await commit(record, transaction => transaction.put('Device', 'tc-1', { group: 'g' }, { keyHash: 'k' }));
        const before = await standing(record);
        const outcome = await commit(record, transaction => transaction.remove('Device', 'tc-1'));
        assert.equal(outcome.result, true);
        const [tombstone] = objectsOf(await record.feed(before));
        assert.equal(tombstone?.deleted, true);
        assert.equal(tombstone?.generation, outcome.version.generation);
        assert.deepEqual(tombstone?.body, {});
        assert.deepEqual(tombstone?.system, { keyHash: 'k' });
        const gone = await commit(record, transaction => transaction.remove('Device', 'tc-1'));
        assert.equal(gone.result, false);
      });

      it('takes no generation and writes nothing when the work abandons', async () => {
        const before = await record.site();
        const outcome = await record.commit(AS_PRIMARY, async transaction => {
          await transaction.put(USER, 'alice', {}, {});
          return { write: false, result: 'seen' };
        });
        assert.deepEqual(outcome, { kind: 'abandoned', result: 'seen' });
        assert.deepEqual(await record.site(), before);
        assert.equal((await record.feed(undefined).then(objectsOf)).length, 0);
      });

      it('writes nothing when the work fails, and goes on with the next', async () => {
        const failure = new Error('the work failed');
        const failing = record.commit(AS_PRIMARY, async transaction => {
          await transaction.put(USER, 'alice', {}, {});
          throw failure;
        });
        await assert.rejects(failing, failure);
        const outcome = await putUser(record, 'bob');
        assert.equal(outcome.version.generation, 2);
        assert.deepEqual(
          objectsOf(await record.feed(undefined)).map(user => user.name),
          ['bob'],
        );
      });

      it('steps down for another instance and for a later epoch, without running the work', async () => {
        const stepsDown = async (by: Committer) => {
          const before = await record.site();
          const outcome = await record.commit(by, () => assert.fail('the work ran'));
          assert.deepEqual(outcome, { kind: 'stepped_down' });
          assert.deepEqual(await record.site(), before);
        };
        await stepsDown({ ...AS_PRIMARY, instance: 'somebody-else' });
        await lab.alterSite({ epoch: 2 });
        await stepsDown(AS_PRIMARY);
      });

      it('writes nothing where the database lacks what somebody has seen of this epoch', async () => {
        await lab.backUp();
        await putUser(record, 'alice');
        const seen = await standing(record);
        const asSeen = { ...AS_PRIMARY, restsOn: [seen] };
        const refuses = async (by: Committer) => {
          const before = await record.site();
          assert.deepEqual(await record.commit(by, () => assert.fail('the work ran')), { kind: 'forked' });
          assert.deepEqual(await record.compact(by, 1), { kind: 'forked' });
          assert.deepEqual(await record.site(), before);
        };
        const takes = async (by: Committer) =>
          assert.equal((await record.commit(by, async () => ({ write: true, result: 0 }))).kind, 'committed');
        await takes(asSeen);
        await takes({ ...asSeen, restsOn: [seen, await standing(record)] });
        await lab.restore();
        await refuses(asSeen);
        // The same generation by another commit, and generations beyond it, are no continuation either.
        await putUser(record, 'bob');
        await refuses(asSeen);
        await putUser(record, 'carol');
        await refuses(asSeen);
        await refuses({ ...AS_PRIMARY, restsOn: [await standing(record), seen] });
        const otherEpoch = { ...seen, version: { ...seen.version, epoch: 7 } };
        await takes({ ...AS_PRIMARY, restsOn: [await standing(record), otherEpoch] });
      });

      it('is refused by a database that was restored from before this epoch', async () => {
        const before = await record.site();
        const outcome = await record.commit({ ...AS_PRIMARY, epoch: 2 }, () => assert.fail('the work ran'));
        assert.deepEqual(outcome, { kind: 'forked' });
        assert.deepEqual(await record.site(), before);
      });

      it('begins a new epoch in one commit, whoever was the Primary, with a new one', async () => {
        const from = await standing(record);
        const raise = { from, epoch: 5, primaryInstance: 'another', actor: 'local' };
        const raised = await record.raiseEpoch(raise, async transaction => {
          await transaction.put(USER, 'alice', {}, {});
          return transaction.version;
        });
        assert.deepEqual(raised?.version, { epoch: 5, generation: from.version.generation + 1 });
        assert.deepEqual(raised?.result, raised?.version);
        const site = await record.site();
        assert.deepEqual([site?.version, site?.commitId], [raised?.version, raised?.commitId]);
        assert.equal(site?.primaryInstance, 'another');
        assert.deepEqual((await record.history(USER, 'alice', 5))[0]?.version, raised?.version);
        assert.deepEqual(await record.commit(AS_PRIMARY, () => assert.fail('the work ran')), { kind: 'stepped_down' });
        const next = { instance: 'another', epoch: 5, actor: 'admin' };
        assert.equal((await record.commit(next, async () => ({ write: true, result: 0 }))).kind, 'committed');
        // An operator who repeats it has seen another state.
        assert.equal(await record.raiseEpoch(raise, () => assert.fail('the work ran')), undefined);
      });

      it('begins no new epoch on another state than the one that was seen, nor when its work fails', async () => {
        const from = await standing(record);
        const raise = { from, epoch: 2, primaryInstance: 'another', actor: 'local' };
        await assert.rejects(
          record.raiseEpoch(raise, () => Promise.reject(new Error('no'))),
          /^Error: no$/,
        );
        await putUser(record, 'alice');
        const before = await record.site();
        const other = { ...from, version: before?.version ?? from.version };
        for (const seen of [from, other]) {
          assert.equal(await record.raiseEpoch({ ...raise, from: seen }, () => assert.fail('the work ran')), undefined);
        }
        assert.deepEqual(await record.site(), before);
      });

      it('carries a new statement in the site row', async () => {
        const statement = { statement: '{"epoch":1,"version":2}', signature: 'bmV3', signedBy: 'c'.repeat(43) };
        const before = await standing(record);
        await commit(record, transaction => transaction.setStatement(statement));
        const feed = await record.feed(before);
        assert.equal(feed.kind, 'incremental');
        assert.deepEqual(feed.site.statement, statement);
      });

      it('carries the CAs of the site in its row, and shows them to the commit that holds it', async () => {
        const before = await standing(record);
        const cas = { caCertificates: ['next', 'before'], wrappedCaKey: 'one.two.three' };
        const { result } = await commit(record, async transaction => {
          const seen = await transaction.siteCas();
          await transaction.setSiteCas(cas);
          return { seen, after: await transaction.siteCas() };
        });
        const { caCertificates, wrappedCaKey } = newSite();
        assert.deepEqual(result, { seen: { caCertificates, wrappedCaKey }, after: cas });
        const { kind, site } = await record.feed(before);
        assert.deepEqual([kind, site.caCertificates, site.wrappedCaKey], ['incremental', ...Object.values(cas)]);
      });

      it('shows a commit the statement that it holds, and the id under which it will be known', async () => {
        const { statement } = newSite();
        const { commitId, result } = await commit(record, async transaction => {
          const before = await transaction.statement();
          await transaction.setStatement({ ...statement, statement: 'the next one' });
          return { before, after: (await transaction.statement()).statement, commitId: transaction.commitId };
        });
        assert.deepEqual(result, { before: statement, after: 'the next one', commitId });
      });

      it('tells its epochs, which commit began each, and how far it went', async () => {
        const first = await standing(record);
        await putUser(record, 'alice');
        const { commitId } = await raiseEpoch(record, 4);
        const [fourth, only] = await record.line();
        assert.deepEqual(
          [fourth, only],
          [
            { epoch: 4, begunBy: commitId, last: 3 },
            { epoch: 1, begunBy: first.commitId, last: 2 },
          ],
        );
        assert.deepEqual(await open({ readOnly: true }).line(), [fourth, only]);
      });

      it('refuses calls after the commit has ended', async () => {
        const { result } = await commit(record, async transaction => ({ kept: transaction }));
        await assert.rejects(result.kept.put(USER, 'late', {}, {}));
        await assert.rejects(result.kept.get(USER, 'late'));
        assert.equal((await standing(record)).version.generation, 2);
      });

      it('tells names apart by every byte', async () => {
        const names = ['alice', 'Alice', 'àlice', 'alice.', 'straße', 'strasse', '\u{1F600}'];
        for (const user of names) await putUser(record, user);
        const stored = objectsOf(await record.feed(undefined)).map(user => user.name);
        assert.deepEqual(stored.sort(), names.sort());
      });

      it('keeps bodies as they were written', async () => {
        const body = {
          z: [1, 2.5, -0.1, 1e21],
          a: { 'né"\\': null, ok: true },
          big: 2 ** 53 - 1,
          text: '\u0000\u2028\n',
        };
        await commit(record, transaction => transaction.put(USER, 'alice', body, {}));
        const [alice] = objectsOf(await record.feed(undefined));
        assert.deepEqual(alice?.body, body);
      });

      it('writes thousands of objects in one commit', async () => {
        const count = 2_500;
        await commit(record, async transaction => {
          for (let i = 0; i < count; i++) await transaction.put(USER, `user-${i}`, { displayName: `${i}` }, {});
        });
        assert.equal((await record.feed(undefined).then(objectsOf)).length, count);
        assert.equal((await standing(record)).version.generation, 2);
      });
    });

    describe('the feed', () => {
      beforeEach(() => record.initialise(newSite(), []));

      it('says current to a replica that has everything', async () => {
        await putUser(record, 'alice');
        const feed = await record.feed(await standing(record));
        assert.equal(feed.kind, 'current');
      });

      it('gives what is newer than the replica, and no more', async () => {
        await putUser(record, 'alice');
        const before = await standing(record);
        await putUser(record, 'bob');
        await putUser(record, 'carol');
        const feed = await record.feed(before);
        assert.equal(feed.kind, 'incremental');
        assert.deepEqual(
          objectsOf(feed)
            .map(user => user.name)
            .sort(),
          ['bob', 'carol'],
        );
      });

      it('loses nothing to a reader that follows six writers over 600 commits', async () => {
        const reader = open({ readOnly: true });
        const writers = Array.from({ length: 6 }, async (_, writer) => {
          for (let i = 0; i < 100; i++) {
            await putUser(record, `user-${(writer * 7 + i * 13) % 120}`, `${writer}/${i}`);
            // Others get their turn, as with requests from outside.
            await new Promise(setImmediate);
          }
        });
        const allWritten = Promise.all(writers);
        const followed = await followFeed(reader, allWritten);
        assert.equal(followed.site.version.generation, 601);
        assert.ok(followed.reads > 10, `only ${followed.reads} reads met the writers`);
        const truth = objectsOf(await record.feed(undefined));
        assert.deepEqual(followed.users(), new Map(truth.map(user => [user.name, user.body])));
      });

      it('is forked when the database was restored from before the replica', async () => {
        await lab.backUp();
        await putUser(record, 'alice');
        const ahead = await standing(record);
        await lab.restore();
        assert.equal((await record.feed(ahead)).kind, 'forked');
        // The same generation by another commit, and generations beyond it, are no continuation either.
        await putUser(record, 'bob');
        assert.equal((await record.feed(ahead)).kind, 'forked');
        await putUser(record, 'carol');
        assert.equal((await record.feed(ahead)).kind, 'forked');
      });

      it('lacks, for certain, what a replica rests on from then, and nothing of what is there', async () => {
        const reader = open({ readOnly: true });
        const first = await standing(record);
        await lab.backUp();
        await putUser(record, 'alice');
        const ahead = await standing(record);
        const lacking = (position: ReplicaPosition) => Promise.all([record.lacks(position), reader.lacks(position)]);
        assert.deepEqual(
          [await lacking(first), await lacking(ahead)],
          [
            [false, false],
            [false, false],
          ],
        );
        await lab.restore();
        assert.deepEqual(
          [await lacking(first), await lacking(ahead)],
          [
            [false, false],
            [true, true],
          ],
        );
        await putUser(record, 'bob');
        assert.deepEqual(
          [await lacking(first), await lacking(ahead)],
          [
            [false, false],
            [true, true],
          ],
        );
      });

      it('is forked for the replica of another site', async () => {
        const position = { ...(await standing(record)), siteId: '99999999-2222-4333-8444-555555555555' };
        assert.equal((await record.feed(position)).kind, 'forked');
      });

      it('is full for a replica of an earlier epoch, and forked for one of a later epoch', async () => {
        await putUser(record, 'alice');
        const ofFirstEpoch = await standing(record);
        await lab.alterSite({ epoch: 2 });
        const feed = await record.feed(ofFirstEpoch);
        assert.equal(feed.kind, 'full');
        assert.equal(objectsOf(feed).length, 1);
        await lab.alterSite({ epoch: 1 });
        const ofThird = { ...ofFirstEpoch, version: { epoch: 3, generation: 1 } };
        assert.equal((await record.feed(ofThird)).kind, 'forked');
      });

      it('says to a replica of an earlier epoch when what it rests on was given up', async () => {
        await lab.backUp();
        await putUser(record, 'alice');
        const givenUp = await standing(record);
        await lab.restore();
        const kept = await standing(record);
        await raiseEpoch(record, 2);
        for (const [position, drops] of [
          [givenUp, true],
          [kept, undefined],
        ] as const) {
          const feed = await record.feed(position);
          assert.ok(feed.kind === 'full');
          assert.equal(feed.drops, drops);
        }
      });

      it('is full for a replica from before the tombstones that are gone', async () => {
        await putUser(record, 'alice');
        const before = await standing(record);
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        const after = await standing(record);
        await putUser(record, 'bob');
        await lab.alterSite({ compactedGeneration: after.version.generation });
        assert.equal((await record.feed(before)).kind, 'full');
        assert.equal((await record.feed(after)).kind, 'incremental');
      });
    });

    describe('history', () => {
      beforeEach(() => record.initialise(newSite(), []));

      it('tells who wrote what, newest first, over a deletion and a new object', async () => {
        await putUser(record, 'alice', 'one');
        await putUser(record, 'bob');
        await record.commit({ ...AS_PRIMARY, actor: 'helpdesk' }, async transaction => {
          return { write: true, result: await transaction.remove(USER, 'alice') };
        });
        await putUser(record, 'alice', 'two');
        const history = await record.history(USER, 'alice', 10);
        assert.deepEqual(
          history.map(({ version, actor, body }) => [version.generation, actor, body]),
          [
            [5, 'admin', { displayName: 'two' }],
            [4, 'helpdesk', null],
            [2, 'admin', { displayName: 'one' }],
          ],
        );
        assert.ok(history.every(({ atMs }) => Number.isSafeInteger(atMs) && atMs > 0));
        assert.deepEqual(await record.history(USER, 'alice', 1), history.slice(0, 1));
        assert.deepEqual(await record.history(USER, 'nobody', 10), []);
      });

      it('has one entry for an object that one commit wrote twice', async () => {
        await commit(record, async transaction => {
          await transaction.put(USER, 'alice', { displayName: 'draft' }, {});
          await transaction.put(USER, 'alice', { displayName: 'final' }, {});
        });
        const history = await record.history(USER, 'alice', 10);
        assert.deepEqual(
          history.map(({ body }) => body),
          [{ displayName: 'final' }],
        );
      });
    });

    describe('what changed since a generation', () => {
      beforeEach(() => record.initialise(newSite(), []));

      const KINDS: readonly ObjectKind[] = ['Policy', 'User'];
      /** All pages. */
      const since = async (generation: number, limit = 10) => {
        const items: ChangedSince['items'][number][] = [];
        let page: ChangedSince;
        let after: ChangedSince['next'];
        do {
          page = await record.changedSince(generation, { kinds: KINDS, after, limit });
          assert.ok(page.items.length <= limit);
          items.push(...page.items);
          after = page.next;
        } while (after !== undefined);
        return { ...page, items };
      };
      const told = ({ items }: Pick<ChangedSince, 'items'>) =>
        items.map(({ now, before }) => [now.kind, now.name, now.deleted ? 'gone' : now.body, before?.body]);

      it('gives each object that was touched since, as it is and as it was', async () => {
        await putUser(record, 'alice', 'one');
        await putUser(record, 'bob');
        await commit(record, transaction => transaction.put(USER, 'carol', {}, { credential: 'secret' }));
        const { version } = await standing(record);
        await putUser(record, 'alice', 'two');
        await putUser(record, 'alice', 'three');
        await commit(record, transaction => transaction.remove(USER, 'carol'));
        await commit(record, transaction => transaction.put('Policy', 'new', { settings: {} }, {}));
        await commit(record, transaction => transaction.put('Device', 'tc-1', {}, {}));

        const found = await since(version.generation);
        assert.deepEqual(told(found), [
          ['Policy', 'new', { settings: {} }, undefined],
          ['User', 'alice', { displayName: 'three' }, { displayName: 'one' }],
          ['User', 'carol', 'gone', {}],
        ]);
        assert.deepEqual(found.items[2]?.before?.system, { credential: 'secret' });
        assert.equal(found.epoch, 1);
        assert.deepEqual(found.site, { version: (await standing(record)).version, compactedGeneration: 0 });
      });

      it('says of a name what it was then, though it was deleted and made again in between', async () => {
        await putUser(record, 'alice', 'one');
        const { version } = await standing(record);
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        const gone = await standing(record);
        await putUser(record, 'alice', 'two');
        assert.deepEqual(told(await since(version.generation)), [
          [USER, 'alice', { displayName: 'two' }, { displayName: 'one' }],
        ]);
        assert.deepEqual(told(await since(gone.version.generation)), [
          [USER, 'alice', { displayName: 'two' }, undefined],
        ]);
      });

      it('comes in pages, each object once', async () => {
        const names = Array.from({ length: 7 }, (_, n) => `user-${n}`);
        for (const user of names) await putUser(record, user);
        await commit(record, transaction => transaction.put('Policy', 'p', {}, {}));
        const found = (await since(1, 3)).items.map(({ now }) => now.name);
        assert.deepEqual(found, ['p', ...names]);
      });

      it('knows no epoch of a generation that was never made, nor one of before this database', async () => {
        const epochOf = async (generation: number) =>
          (await record.changedSince(generation, { kinds: KINDS, limit: 1 })).epoch;
        assert.deepEqual([await epochOf(0), await epochOf(1), await epochOf(2)], [undefined, 1, undefined]);
      });
    });

    describe('compaction', () => {
      beforeEach(() => record.initialise(newSite(), []));

      const DAY_MS = 24 * 60 * 60_000;
      const names = async () => objectsOf(await record.feed(undefined)).map(({ kind, name }) => `${kind}/${name}`);
      const compactAfter = async (days: number, by: Parameters<SourceOfRecord['compact']>[0] = AS_PRIMARY) => {
        const [last] = await record.history(USER, 'last', 1);
        return record.compact(by, (last?.atMs ?? 0) + days * DAY_MS);
      };

      it('removes tombstones after 90 days, and nothing else', async () => {
        await putUser(record, 'alice');
        await putUser(record, 'bob');
        const gone = await commit(record, transaction => transaction.remove(USER, 'alice'));
        await putUser(record, 'last');
        const before = await record.site();

        assert.deepEqual(await compactAfter(89), { kind: 'compacted', removed: 0, generation: 0 });
        assert.deepEqual((await names()).sort(), ['User/alice', 'User/bob', 'User/last']);
        assert.deepEqual(await compactAfter(91), {
          kind: 'compacted',
          removed: 1,
          generation: gone.version.generation,
        });
        assert.deepEqual((await names()).sort(), ['User/bob', 'User/last']);
        assert.deepEqual(await record.site(), { ...before, compactedGeneration: gone.version.generation });
        assert.deepEqual(await compactAfter(91), {
          kind: 'compacted',
          removed: 0,
          generation: gone.version.generation,
        });
      });

      it('has a replica of before the deletion sync fully, and one of after it not', async () => {
        await putUser(record, 'alice');
        const before = await standing(record);
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        const after = await standing(record);
        await putUser(record, 'last');
        await compactAfter(91);
        assert.equal((await record.feed(before)).kind, 'full');
        assert.equal((await record.feed(after)).kind, 'incremental');
        assert.equal((await record.feed(await standing(record))).kind, 'current');
      });

      it('keeps the history of what is gone, without what servers kept beside it', async () => {
        await commit(record, transaction =>
          transaction.put(USER, 'alice', { displayName: 'one' }, { credential: 'secret' }),
        );
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        await putUser(record, 'last');
        const history = await record.history(USER, 'alice', 10);
        assert.equal(history.length, 2);
        await compactAfter(91);
        assert.deepEqual(await record.history(USER, 'alice', 10), history);
        // A new object of that name has nothing to do with the first one.
        const made = await putUser(record, 'alice');
        const { items } = await record.changedSince(made.version.generation - 1, { kinds: [USER], limit: 10 });
        assert.deepEqual(
          items.map(({ before }) => before),
          [undefined],
        );
        const then = await record.changedSince(2, { kinds: [USER], limit: 10 });
        assert.deepEqual(then.items.find(({ now }) => now.name === 'alice')?.before, {
          body: { displayName: 'one' },
          system: {},
        });
      });

      it("keeps a device's tombstone until 90 days after its certificate has expired: it is what revokes the key", async () => {
        await putUser(record, 'last');
        const [{ atMs } = assert.fail('no history')] = await record.history(USER, 'last', 1);
        const certificateExpiresAt = atMs + 365 * DAY_MS;
        for (const device of ['tc-1', 'tc-2']) {
          const system = { keyHash: device, ...(device === 'tc-1' && { certificateExpiresAt }) };
          await commit(record, transaction => transaction.put('Device', device, {}, system));
          await commit(record, transaction => transaction.remove('Device', device));
        }
        await compactAfter(100);
        assert.deepEqual((await names()).sort(), ['Device/tc-1', 'User/last']);
        await compactAfter(365 + 89);
        assert.ok((await names()).includes('Device/tc-1'));
        await compactAfter(365 + 91);
        assert.deepEqual(await names(), ['User/last']);
      });

      it('removes thousands, and leaves a name that lives again', async () => {
        const many = Array.from({ length: 1_200 }, (_, n) => `user-${n}`);
        await commit(record, async transaction => {
          for (const user of many) await transaction.put(USER, user, {}, {});
        });
        await commit(record, async transaction => {
          for (const user of many) await transaction.remove(USER, user);
        });
        await putUser(record, 'user-7');
        await putUser(record, 'last');
        assert.deepEqual(await compactAfter(91), { kind: 'compacted', removed: 1_199, generation: 3 });
        assert.deepEqual((await names()).sort(), ['User/last', 'User/user-7']);
      });

      it('is the business of the Primary alone', async () => {
        await putUser(record, 'alice');
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        await putUser(record, 'last');
        for (const by of [
          { ...AS_PRIMARY, instance: 'somebody-else' },
          { ...AS_PRIMARY, epoch: 2 },
        ]) {
          assert.deepEqual(await compactAfter(91, by), { kind: 'stepped_down' });
        }
        assert.ok((await names()).includes('User/alice'));
        assert.equal((await record.site())?.compactedGeneration, 0);
      });

      it('can be ended between two transactions, and goes on the next time', async () => {
        await putUser(record, 'alice');
        await commit(record, transaction => transaction.remove(USER, 'alice'));
        const [gone] = await record.history(USER, 'alice', 1);
        const later = (gone?.atMs ?? 0) + 91 * DAY_MS;
        await record.compact(AS_PRIMARY, later, AbortSignal.abort());
        assert.deepEqual(await names(), ['User/alice']);
        await record.compact(AS_PRIMARY, later);
        assert.deepEqual(await names(), []);
      });
    });

    describe('events', () => {
      beforeEach(() => record.initialise(newSite(), []));
      const idsOf = (events: readonly RecordedEvent[]) => events.map(({ id }) => id);
      const stored = async () => idsOf(await record.events({ limit: 10_000 }));

      it('stores each exactly once, however often and from wherever it comes', async () => {
        const batch = Array.from({ length: 250 }, (_, i) => recordedEvent({ at: i }));
        const other = open();
        await record.storeEvents(batch);
        await Promise.all([record.storeEvents(batch.slice(100)), record.storeEvents(batch)]);
        await other.storeEvents([...batch.slice(0, 10), ...batch.slice(0, 10)]);
        assert.deepEqual((await stored()).reverse(), idsOf(batch));
      });

      it('gives back what was stored', async () => {
        const { user: _, ...withoutUser } = recordedEvent({ data: { nested: { list: [1, null, 'x'] } } });
        await record.storeEvents([withoutUser]);
        const [{ sequence, ...event } = { sequence: undefined }] = await record.events({ limit: 1 });
        assert.deepEqual(event, withoutUser);
        assert.ok(Number.isSafeInteger(sequence));
      });

      it('knows when each origin was heard of last, by the ids, which rise with time', async () => {
        const from = (origin: string, takenAt: number, n: number) =>
          recordedEvent({ origin, takenAt, id: `0190000${n}-0000-7000-8000-000000000000` });
        const [a, b] = ['device:a', 'device:b'];
        await record.storeEvents([from(a, 5, 1), from(a, 9, 3), from(a, 7, 2), from(b, 4, 1)]);
        const heard = await record.lastHeardFrom([a, b, 'device:c']);
        assert.deepEqual(
          [...heard],
          [
            [a, 9],
            [b, 4],
          ],
        );
      });

      it("takes the same id of another origin as another event: nobody can take another's id away", async () => {
        const theirs = recordedEvent({ origin: 'device:tc-1' });
        await record.storeEvents([{ ...theirs, origin: 'device:thief', user: 'mallory' }]);
        await record.storeEvents([theirs]);
        const origins = (await record.events({ limit: 10 })).map(({ origin, user }) => [origin, user]);
        assert.deepEqual(origins, [
          ['device:tc-1', 'alice'],
          ['device:thief', 'mallory'],
        ]);
      });

      it('lists the newest arrivals first, in pages, by type and by user', async () => {
        const types = ['login', 'logout', 'failover'];
        const all = Array.from({ length: 30 }, (_, i) =>
          recordedEvent({ type: types[i % 3] ?? '', user: i < 15 ? 'alice' : 'bob' }),
        );
        await record.storeEvents(all);
        const newestFirst = idsOf(all).reverse();
        const first = await record.events({ limit: 12 });
        const second = await record.events({ limit: 100, before: String(first.at(-1)?.sequence) });
        assert.deepEqual([...idsOf(first), ...idsOf(second)], newestFirst);
        const failovers = await record.events({ limit: 100, type: 'failover', users: ['bob', 'Bob'] });
        assert.equal(failovers.length, 5);
        assert.ok(failovers.every(({ type, user }) => type === 'failover' && user === 'bob'));
      });

      it('puts what the database refuses in the quarantine, once, and stores those around it', async () => {
        const good = Array.from({ length: 120 }, () => recordedEvent());
        const bad = recordedEvent({ takenBy: null as unknown as string });
        const batch = [...good.slice(0, 60), bad, ...good.slice(60)];
        assert.deepEqual(await record.storeEvents(batch), { quarantined: 1 });
        assert.deepEqual(await record.storeEvents(batch), { quarantined: 1 });
        assert.deepEqual((await stored()).reverse(), idsOf(good));
        assert.deepEqual(await lab.quarantined(), [bad.id]);
      });
    });

    describe('when the database goes and comes back', () => {
      beforeEach(() => record.initialise(newSite(), []));

      it('says so to every call, and works again without being opened anew', async () => {
        await putUser(record, 'alice');
        const secondary = open({ readOnly: true });
        assert.equal((await secondary.feed(undefined)).kind, 'full');
        await lab.takeAway();
        for (const call of [
          () => record.site(),
          () => record.feed(undefined),
          () => record.commit(AS_PRIMARY, async () => ({ write: true, result: undefined })),
          () => record.history(USER, 'alice', 1),
          () => record.storeEvents([recordedEvent()]),
          () => record.events({ limit: 1 }),
          () => secondary.site(),
          () => secondary.feed(undefined),
        ]) {
          await assert.rejects(call(), assertUnavailable);
        }
        await lab.bringBack();
        await putUser(record, 'bob');
        const feed = await secondary.feed(undefined);
        assert.equal(objectsOf(feed).length, 2);
      });

      it('can be opened while the database is away', async () => {
        await lab.takeAway();
        const late = open({ readOnly: true });
        await assert.rejects(late.feed(undefined), assertUnavailable);
        await lab.bringBack();
        assert.equal((await late.feed(undefined)).kind, 'full');
      });

      it('has every commit for who opens it after a crash', async () => {
        for (let i = 0; i < 20; i++) await putUser(record, `user-${i}`);
        // The first handle is still open, as that of a process that was killed.
        const after = open();
        assert.equal((await after.feed(undefined).then(objectsOf)).length, 20);
        assert.equal((await putUser(after, 'next')).version.generation, 22);
      });

      it('never writes for a Secondary', async () => {
        const secondary = open({ readOnly: true });
        const position = positionOf((await secondary.feed(undefined)).site);
        await assert.rejects(secondary.commit(AS_PRIMARY, async () => ({ write: true, result: undefined })));
        await assert.rejects(secondary.storeEvents([recordedEvent()]));
        await assert.rejects(secondary.initialise(newSite(), []));
        assert.deepEqual(await standing(record), position);
      });
    });

    describe('to a server of another site', () => {
      const stranger = { siteId: '99999999-2222-4333-8444-555555555555' };
      const otherSite = { name: 'DatabaseUnavailable', trouble: 'other_site' };

      it('tells nothing, takes no event and no commit, and says what is wrong', async () => {
        const { version } = await record.initialise(newSite(), []);
        await putUser(record, 'alice');
        await record.storeEvents([recordedEvent()]);
        const position = await standing(record);
        const theirs = open(stranger);
        const raise = { from: position, epoch: 2, primaryInstance: 'stranger', actor: 'local' };
        const calls: Readonly<Record<string, (from: SourceOfRecord) => Promise<unknown>>> = {
          site: from => from.site(),
          feed: from => from.feed(undefined),
          lacks: from => from.lacks(position),
          lastCommitOf: from => from.lastCommitOf(1),
          history: from => from.history(USER, 'alice', 1),
          changedSince: from => from.changedSince(1, { kinds: [USER], limit: 1 }),
          events: from => from.events({ limit: 1 }),
          lastHeardFrom: from => from.lastHeardFrom(['device:tc-1']),
          storeEvents: from => from.storeEvents([recordedEvent()]),
          'commit of the same Primary': from =>
            from.commit(AS_PRIMARY, async transaction => {
              await transaction.put(USER, 'mallory', {}, {});
              return { write: true, result: undefined };
            }),
          'commit of another': from =>
            from.commit({ ...AS_PRIMARY, instance: 'stranger' }, async () => ({ write: true, result: undefined })),
          compact: from => from.compact(AS_PRIMARY, Number.MAX_SAFE_INTEGER),
          raiseEpoch: from => from.raiseEpoch(raise, async () => {}),
        };
        for (const [name, call] of Object.entries(calls)) await assert.rejects(call(theirs), otherSite, name);
        await assert.rejects(open({ ...stranger, readOnly: true }).feed(undefined), otherSite);
        await assert.rejects(theirs.feed(undefined), ({ message }: Error) => message.includes(SITE_ID));

        assert.deepEqual(await standing(record), position);
        assert.equal(position.version.generation, version.generation + 1);
        assert.equal((await record.events({ limit: 10 })).length, 1);
      });

      it('is no longer one when its own is put back, without being opened anew', async () => {
        await record.initialise(newSite(), []);
        const ours = open({ siteId: SITE_ID });
        await lab.backUp();
        await lab.alterSite({ siteId: stranger.siteId });
        await assert.rejects(ours.storeEvents([recordedEvent()]), otherSite);
        await lab.restore();
        await ours.storeEvents([recordedEvent()]);
        await putUser(ours, 'alice');
        assert.equal((await ours.events({ limit: 10 })).length, 1);
      });

      it('is not filled by one whose site is not there yet', async () => {
        const { schema } = await record.initialise(newSite(), []);
        await lab.alterSite({ id: 2 });
        const early = open({ siteId: SITE_ID });
        await assert.rejects(early.storeEvents([recordedEvent()]), { trouble: 'no_site' });
        await lab.alterSite({ id: 1 });
        assert.equal((await early.site())?.schema, schema);
        assert.deepEqual(await early.events({ limit: 10 }), []);
      });

      it('keeps its schema: nobody else brings it up', async () => {
        const { schema } = await record.initialise(newSite(), []);
        await lab.alterSite({ schema: schema - 1 });
        const theirs = open({ ...stranger, instance: AS_PRIMARY.instance });
        await assert.rejects(theirs.storeEvents([recordedEvent()]), otherSite);
        await lab.alterSite({ schema });
        assert.equal((await record.site())?.schema, schema);
      });
    });

    deploymentContract(() => record);

    describe('schema', () => {
      beforeEach(() => record.initialise(newSite(), []));

      it('reads the next schema, and refuses the one after it', async () => {
        const { schema } = (await record.site()) ?? assert.fail('no site');
        await lab.alterSite({ schema: schema + 1 });
        assert.equal((await record.feed(undefined)).kind, 'full');
        await lab.alterSite({ schema: schema + 2 });
        const newer = { name: 'DatabaseUnavailable', trouble: 'newer_schema' };
        await assert.rejects(record.feed(undefined), newer);
        await assert.rejects(
          record.commit(AS_PRIMARY, () => assert.fail('the work ran')),
          newer,
        );
        await lab.alterSite({ schema });
        assert.equal((await standing(record)).version.generation, 1);
      });

      it('waits for a schema that has not arrived yet', async () => {
        await lab.alterSite({ schema: 0 });
        const secondary = open({ readOnly: true });
        await assert.rejects(secondary.feed(undefined), { name: 'DatabaseUnavailable', trouble: 'older_schema' });
      });
    });
  });
}
