// What a source of record keeps of deployments: contents of files, reports of devices, what lies between two generations.
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import type { SectionResult } from '@thinman/protocol';
import type { SourceOfRecord } from '../../packages/server/src/ports.ts';
import { AS_PRIMARY, newSite, recordedEvent } from '../support/record-fixtures.ts';
import { commit, putUser } from '../support/record-steps.ts';

const sha = (bytes: Uint8Array) => hash('sha256', bytes, 'hex');
/** Above several parts and one statement, and no multiple of either. */
const LARGE = Buffer.from(Uint8Array.from({ length: 700_001 }, (_, at) => (at * 31) % 251));

type Report = { readonly id?: string; readonly device?: string; readonly user?: string; readonly generation?: number };
const report = ({ id = '1', device = 'tc-1', user, generation = 2 }: Report, ...sections: readonly SectionResult[]) =>
  recordedEvent({
    id: `00000000-0000-7000-8000-${id.padStart(12, '0')}`,
    type: 'bundle.applied',
    origin: `device:${device}`,
    user: user ?? '',
    data: {
      which: user === undefined ? 'device' : 'user',
      etag: `etag-${id}`,
      version: { epoch: 1, generation },
      sections: Object.fromEntries(sections.map((section, at) => [`s${at}`, section])),
    },
  });
const FAILED: SectionResult = { result: 'failed', why: 'no such output' };
const PENDING: SectionResult = { result: 'pending', until: 'reboot' };
const APPLIED: SectionResult = { result: 'applied' };

export function deploymentContract(recordOf: () => SourceOfRecord): void {
  describe('deployments', () => {
    beforeEach(() => recordOf().initialise(newSite(), []));

    it('gives a file back as it was put, whatever its size', async () => {
      const record = recordOf();
      for (const bytes of [Buffer.alloc(0), Buffer.from('a'), LARGE]) {
        const { result } = await commit(record, transaction => transaction.putFile(bytes));
        assert.equal(result, sha(bytes));
        assert.deepEqual(Buffer.from((await record.file(result)) ?? []), bytes);
      }
      assert.equal(await record.file(sha(Buffer.from('b'))), undefined);
    });

    it('holds a content once, knows it, lists it and removes it', async () => {
      const record = recordOf();
      await commit(record, async transaction => {
        await transaction.putFile(LARGE);
        await transaction.putFile(LARGE);
        assert.deepEqual([await transaction.hasFile(sha(LARGE)), await transaction.hasFile('0')], [true, false]);
        assert.deepEqual(await transaction.files(), [sha(LARGE)]);
      });
      await commit(record, transaction => transaction.removeFiles([sha(LARGE)]));
      assert.equal(await record.file(sha(LARGE)), undefined);
    });

    it('has nothing of a file whose commit failed', async () => {
      const record = recordOf();
      await assert.rejects(
        record.commit(AS_PRIMARY, async transaction => {
          await transaction.putFile(LARGE);
          throw new Error('on the way');
        }),
        /on the way/,
      );
      assert.equal(await record.file(sha(LARGE)), undefined);
    });

    it('keeps the newest report of each device and each user on it, whatever comes late or twice', async () => {
      const record = recordOf();
      await record.storeEvents([report({ id: '2', generation: 3 }, APPLIED, PENDING), report({ id: '1' }, FAILED)]);
      await record.storeEvents([report({ id: '1' }, FAILED)]);
      await record.storeEvents([
        report({ id: '3', user: 'alice' }, FAILED, PENDING),
        report({ id: '4', device: 'tc-2' }, APPLIED),
        recordedEvent({ type: 'bundle.applied', data: { which: 'device', etag: 3 } }),
      ]);
      const told = await record.reports(['device:tc-1', 'device:tc-2', 'device:tc-3']);
      const brief = told.map(({ origin, user, etag, outcome, version }) => [
        origin,
        user,
        etag,
        outcome,
        version.generation,
      ]);
      assert.deepEqual(brief.toSorted(), [
        ['device:tc-1', '', 'etag-2', 'pending', 3],
        ['device:tc-1', 'alice', 'etag-3', 'failed', 2],
        ['device:tc-2', '', 'etag-4', 'applied', 2],
      ]);
      assert.deepEqual(told.find(({ user }) => user === 'alice')?.sections, { s0: FAILED, s1: PENDING });
      assert.equal((await record.events({ limit: 10 })).length, 5);
      const tally = await record.reportTally(1);
      assert.deepEqual(tally.map(({ generation, outcome, count }) => `${generation} ${outcome} ${count}`).toSorted(), [
        '2 applied 1',
        '2 failed 1',
        '3 pending 1',
      ]);
      assert.deepEqual(await record.reportTally(2), []);
    });

    it('stores what others told whatever a device says that it has', async () => {
      const record = recordOf();
      const absurd = { epoch: 1, generation: 1e300 };
      const data = { which: 'device', etag: 'x', version: absurd, sections: {} };
      await record.storeEvents([
        report({ id: '1' }, APPLIED),
        { ...report({ id: '2', device: 'liar' }), data },
        { ...report({ id: '3', device: 'liar' }), data: { ...data, version: { epoch: 1e300, generation: 2 } } },
        report({ id: '4', device: 'tc-2', user: 'u'.repeat(256) }, APPLIED),
      ]);
      const told = await record.reports(['device:tc-1', 'device:liar', 'device:tc-2']);
      assert.deepEqual(told.map(({ origin }) => origin).toSorted(), ['device:tc-1', 'device:tc-2']);
      assert.equal((await record.events({ limit: 10 })).length, 4, 'the events themselves are what was said');
    });

    it('goes on after a report from before a device knew the time', async () => {
      const record = recordOf();
      const takenAt = Date.UTC(2026, 10, 22, 12);
      const id = (ms: number) => {
        const time = ms.toString(16).padStart(12, '0');
        return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000001`;
      };
      const toldAt = (ms: number, etag: string, takenMs = takenAt) => ({
        ...report({}),
        ...{
          id: id(ms),
          at: ms,
          takenAt: takenMs,
          data: { which: 'device', etag, version: { epoch: 1, generation: 2 } },
        },
      });
      const etag = async () => (await record.reports(['device:tc-1']))[0]?.etag;
      const in2099 = toldAt(Date.UTC(2099, 0), 'of 2099');
      await record.storeEvents([toldAt(takenAt - 60_000, 'before'), in2099]);
      assert.equal(await etag(), 'of 2099', 'it came behind the other');
      await record.storeEvents([toldAt(takenAt + 10_000, 'after', takenAt + 20_000)]);
      assert.equal(await etag(), 'after');
      await record.storeEvents([in2099]);
      assert.equal(await etag(), 'after', 'what comes twice changes nothing');
      await record.storeEvents([
        { ...in2099, takenAt: takenAt + 30_000 },
        toldAt(takenAt + 25_000, 'last', takenAt + 30_000),
      ]);
      assert.equal(await etag(), 'last', 'of one batch the last');
    });

    it('is not taken back by one that another server took days before, and hands on only now', async () => {
      const record = recordOf();
      const now = Date.UTC(2026, 10, 22);
      const takenAgo = (ms: number, etag: string) => {
        const time = (now - ms).toString(16).padStart(12, '0');
        return {
          ...report({}),
          ...{ id: `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000001`, at: now - ms, takenAt: now - ms },
          data: { which: 'device', etag, version: { epoch: 1, generation: 2 } },
        };
      };
      await record.storeEvents([takenAgo(60_000, 'of today')]);
      await record.storeEvents([takenAgo(3 * 86_400_000, 'of three days ago')]);
      assert.equal((await record.reports(['device:tc-1']))[0]?.etag, 'of today');
      await record.storeEvents([takenAgo(30_000, 'newest'), takenAgo(2 * 86_400_000, 'of two days ago')]);
      assert.equal((await record.reports(['device:tc-1']))[0]?.etag, 'newest');
    });

    it('keeps those of as many users of a device as work there, the newest', async () => {
      const record = recordOf();
      const ofUsers = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, at) =>
          report({ id: String(from + at), user: `user-${from + at}` }, APPLIED),
        );
      await record.storeEvents([
        report({ id: '1', device: 'tc-2', user: 'alice' }),
        report({ id: '2' }),
        ...ofUsers(3, 150),
      ]);
      await record.storeEvents(ofUsers(150, 300));
      const told = await record.reports(['device:tc-1']);
      assert.equal(told.length, 201, 'with that of the device');
      const users = new Set(told.map(({ user }) => user));
      assert.deepEqual(
        ['', 'user-99', 'user-100', 'user-299'].map(user => users.has(user)),
        [true, false, true, true],
      );
      assert.equal((await record.reports(['device:tc-2'])).length, 1);
    });

    it('tells what lies between two generations, and which commits there were', async () => {
      const record = recordOf();
      await putUser(record, 'alice');
      await putUser(record, 'bob');
      await putUser(record, 'alice', 'Alice Rossi');
      await commit(record, transaction => transaction.remove('User', 'bob'));
      const between = (from: number, to: number, limit = 10) => record.changesBetween({ epoch: 1, from, to, limit });
      const alice = { kind: 'User', name: 'alice' } as const;
      const bob = { kind: 'User', name: 'bob' } as const;
      assert.deepEqual(await between(3, 5), {
        items: [
          { ...alice, before: { displayName: 'alice' }, after: { displayName: 'Alice Rossi' } },
          { ...bob, before: { displayName: 'bob' }, after: null },
        ],
        more: false,
      });
      assert.deepEqual((await between(1, 3)).items, [
        { ...alice, before: null, after: { displayName: 'alice' } },
        { ...bob, before: null, after: { displayName: 'bob' } },
      ]);
      assert.deepEqual(await between(4, 4), { items: [], more: false });
      assert.equal((await between(1, 5, 1)).more, true);
      const commits = await record.commits({ epoch: 1, limit: 2 });
      assert.deepEqual(
        commits.map(({ version, actor, summary }) => [version.generation, actor, summary]),
        [
          [5, AS_PRIMARY.actor, { put: {}, removed: { User: 1 } }],
          [4, AS_PRIMARY.actor, { put: { User: 1 }, removed: {} }],
        ],
      );
      assert.equal((await record.commits({ epoch: 1, before: 3, limit: 1 }))[0]?.version.generation, 2);
    });
  });
}
