// What readers keep to while a site is written, on the Master and on its Slave.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import type { SourceOfRecord } from '../../packages/server/src/ports.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { type DatabaseLab, databaseLab, makeAccounts, SECONDARY_ACCOUNT } from '../support/database-lab.ts';
import type { DatabaseKind } from '../support/databases/database-server.ts';
import { type DatabasePair, startPair } from '../support/databases/replication.ts';
import { manualClock } from '../support/manual-clock.ts';
import { newSite } from '../support/record-fixtures.ts';
import { followFeed, putUser, standing } from '../support/record-steps.ts';
import { waitFor } from '../support/wait.ts';

const WRITERS = 6;
const COMMITS_PER_WRITER = 100;
const USERS = 90;

export function slaveContract(name: string, kind: DatabaseKind): void {
  describe(`readers of a source of record: ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'thinman-pair-'));
    let pair: DatabasePair;
    let lab: DatabaseLab;
    let opened: SourceOfRecord[] = [];
    const keep = (record: SourceOfRecord) => {
      opened.push(record);
      return record;
    };
    const onSlave = () => {
      const { user, password } = SECONDARY_ACCOUNT;
      const url = pair.slave.url(user, password, lab.database);
      return keep(openSourceOfRecord(url, { dataDir: folder, readOnly: true, clock: manualClock() }));
    };

    before(async () => {
      pair = await startPair(kind, { folder });
      await makeAccounts(pair.master);
      lab = await databaseLab(pair.master);
    });
    afterEach(async () => {
      await Promise.all(opened.map(record => record.close()));
      opened = [];
    });
    after(async () => {
      await pair?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    it('waits for a site that has not been replicated yet', async () => {
      // The database itself has arrived: it is the site in it that has not.
      await pair.waitUntilAligned();
      const secondary = onSlave();
      assert.equal(await secondary.site(), undefined);
      const made = await keep(lab.open()).initialise(newSite(), []);
      const seen = await waitFor('the site on the Slave', () => secondary.site());
      assert.deepEqual(seen, made);
    });

    it('lose nothing while several servers write', { timeout: 150_000 }, async () => {
      const records = Array.from({ length: WRITERS / 2 }, () => keep(lab.open()));
      const { version: before } = await standing(keep(lab.open()));
      const writers = Array.from({ length: WRITERS }, async (_, writer) => {
        const record = records[writer % records.length] ?? assert.fail();
        for (let i = 0; i < COMMITS_PER_WRITER; i++) {
          await putUser(record, `user-${(writer * 31 + i * 13) % USERS}`, `${writer}/${i}`);
        }
      });
      const written = Promise.all(writers);
      const replicated = written.then(() => pair.waitUntilAligned());
      const readers = await Promise.all([
        followFeed(keep(lab.open({ readOnly: true })), written),
        followFeed(onSlave(), replicated),
      ]);
      const truth = await keep(lab.open({ readOnly: true })).feed(undefined);
      assert.ok(truth.kind === 'full');
      const users = new Map(truth.objects.map(user => [user.name, user.body]));
      for (const followed of readers) {
        assert.equal(followed.site.version.generation, before.generation + WRITERS * COMMITS_PER_WRITER);
        assert.deepEqual(followed.users(), users);
        assert.ok(followed.reads > 10, `only ${followed.reads} reads met the writers`);
      }
    });

    const ofPrimaryOnSlave = () => {
      const wrong = new URL(lab.url());
      wrong.port = String(pair.slave.port);
      return keep(openSourceOfRecord(wrong.href, { dataDir: folder, clock: manualClock() }));
    };

    it('is told that a Slave takes no writes, in words of what to do', async () => {
      const primary = ofPrimaryOnSlave();
      assert.equal((await primary.feed(undefined)).kind, 'full');
      const refused = { name: 'DatabaseUnavailable', trouble: 'read_only', message: /demoted Master/ };
      await assert.rejects(putUser(primary, 'alice'), refused);
    });

    // The last one: the pair is none any more after it.
    it('is not taken over as long as nobody can see that it is no Slave, however much it can be written', async () => {
      await pair.slave.setReadOnly(false);
      /** As whoever promotes does: each time he runs what he is told. */
      const obstacle = async () => {
        const found = await ofPrimaryOnSlave().obstacleToWriting();
        await pair.slave.rootScript(found?.mend.join('') ?? 'DO 0');
        return found?.what;
      };
      assert.equal(await obstacle(), 'the account may not see whether it replicates');
      assert.equal(await obstacle(), 'it is a Slave');
      assert.equal(await obstacle(), undefined);
    });
  });
}
