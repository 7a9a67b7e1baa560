// What a source of record in an external database keeps to when it hangs, dies, or loses an answer. A file of each kind of
// database hands a server in.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { SourceOfRecord } from '../../packages/server/src/ports.ts';
import { parseMysqlUrl } from '../../packages/server/src/record/dialects/mysql/address.ts';
import { mysqlDialect } from '../../packages/server/src/record/dialects/mysql/mysql.ts';
import { MIGRATIONS, migrate } from '../../packages/server/src/record/migrations/index.ts';
import type { Migration } from '../../packages/server/src/record/migrations/migration.ts';
import { SCHEMA } from '../../packages/server/src/record/schema.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { openReplica } from '../../packages/server/src/replica/replica.ts';
import { createSync } from '../../packages/server/src/replica/sync.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import { type DatabaseLab, databaseLab } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { up as nextReleaseUp } from '../support/next-release-migration.ts';
import { AS_PRIMARY, newSite, recordedEvent, SITE_ID } from '../support/record-fixtures.ts';
import { assertUnavailable, commit, putUser, standing } from '../support/record-steps.ts';
import { createScratch } from '../support/scratch.ts';
import { createSqlProxy, type SqlProxy } from '../support/sql-proxy.ts';
import { waitFor } from '../support/wait.ts';

export function accidentsContract(name: string, serverOf: () => DatabaseServer): void {
  describe(`accidents of a source of record: ${name}`, () => {
    let lab: DatabaseLab;
    let proxy: SqlProxy;
    let opened: SourceOfRecord[];
    /** `direct`: not over the proxy. */
    const open = (way: 'direct' | 'proxy', readOnly = false) => {
      const url = new URL(lab.url(readOnly));
      if (way === 'proxy') url.port = String(proxy.port);
      const record = openSourceOfRecord(url.href, { dataDir: '.', readOnly, clock: systemClock });
      opened.push(record);
      return record;
    };
    const generation = async () => Number((await lab.sql('SELECT generation AS g FROM $.site'))[0]?.g);

    beforeEach(async () => {
      opened = [];
      lab = await databaseLab(serverOf(), 'frozen');
      proxy = await createSqlProxy(serverOf());
    });
    afterEach(async () => {
      serverOf().thaw();
      await Promise.all(opened.map(record => record.close()));
      await proxy[Symbol.asyncDispose]();
      await lab.remove();
    });

    describe('a database that hangs', () => {
      it('is unavailable to every call, keeps no connection, and is used again as soon as it goes on', async () => {
        const [primary, secondary] = [open('direct'), open('proxy', true)];
        await primary.initialise(newSite(), []);
        await Promise.all([1, 2, 3].map(() => secondary.feed(undefined)));
        const before = proxy.connections;
        await lab.takeAway();
        const calls = [1, 2, 3, 4, 5, 6].map(() => assert.rejects(secondary.feed(undefined), assertUnavailable));
        await assert.rejects(putUser(primary, 'alice'), assertUnavailable);
        await Promise.all(calls);
        // One attempt waits for it, however many have asked.
        for (let i = 0; i < 3; i++) await assert.rejects(secondary.feed(undefined), assertUnavailable);
        assert.ok(proxy.connections - before <= 3, `${proxy.connections - before} attempts on a database that hangs`);
        lab.bringBack();
        await putUser(primary, 'bob');
        const feed = await secondary.feed(undefined);
        assert.ok(feed.kind === 'full' && feed.objects.some(({ name }) => name === 'bob'));
      });

      it('is seen by whoever follows it, and so is its coming back, by itself', async () => {
        await using scratch = createScratch('thinman-follows-');
        const [primary, secondary] = [open('direct'), open('direct', true)];
        await primary.initialise(newSite(), []);
        const replica = openReplica(join(scratch.folder, 'replica.db'), { clock: systemClock, siteId: SITE_ID });
        const sync = createSync({ record: secondary, replica, clock: systemClock, intervalMs: 100 });
        const turned = (reachable: boolean) =>
          new Promise<void>(resolve => {
            const stop = sync.onCondition(condition => {
              if (condition.reachable !== reachable) return;
              stop();
              resolve();
            });
          });
        assert.equal((await sync.syncNow()).reachable, true);
        for (let round = 0; round < 2; round++) {
          const lost = turned(false);
          await lab.takeAway();
          await lost;
          const found = turned(true);
          lab.bringBack();
          await found;
        }
        await putUser(primary, 'alice');
        await sync.syncNow();
        assert.ok(replica.get('User', 'alice'));
        await sync.stop();
        replica.close();
      });
    });

    describe('readers who hang', () => {
      it('do not keep the feed waiting, by which the database counts as there', async () => {
        const record = open('direct');
        await record.initialise(newSite(), []);
        const at = await standing(record);
        const locked = serverOf().rootScript(`USE \`${lab.database}\`; LOCK TABLES events WRITE; SELECT SLEEP(4);`);
        await waitFor('the table to be locked', async () => {
          const [row] = await lab.sql(
            "SELECT COUNT(*) AS held FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
          );
          return Number(row?.held) > 0 || undefined;
        });
        // As a dump without --single-transaction meets administrators who look at events.
        const ended: string[] = [];
        const reading = Array.from({ length: 6 }, () =>
          record.events({ limit: 10 }).then(
            () => ended.push('read'),
            () => ended.push('refused'),
          ),
        );
        await waitFor('all readers to be taken', () =>
          record.connections().some(({ lane, waiting }) => lane === 'reader' && waiting > 0) ? true : undefined,
        );
        for (let reads = 0; reads < 5; reads++) assert.equal((await record.feed(at)).kind, 'current');
        assert.deepEqual(ended, [], 'all that while nobody else was answered');
        await Promise.all([...reading, locked]);
      });
    });

    describe('a commit whose answer is lost', () => {
      it('is acknowledged if it was made: once, with its own generation', async () => {
        const record = open('proxy');
        await record.initialise(newSite(), []);
        await putUser(record, 'alice');
        const happened = proxy.next('unanswered', 'COMMIT');
        const outcome = await putUser(record, 'bob');
        await happened;
        assert.equal(outcome.version.generation, 3);
        assert.deepEqual(await standing(record), {
          siteId: SITE_ID,
          version: outcome.version,
          commitId: outcome.commitId,
        });
        assert.equal((await putUser(record, 'carol')).version.generation, 4);
      });

      it('is acknowledged too if it arrives after we have come again: who looks waits for it', async () => {
        const record = open('proxy');
        await record.initialise(newSite(), []);
        const happened = proxy.next('late', 'COMMIT');
        const outcome = await putUser(record, 'alice');
        await happened;
        assert.equal(outcome.version.generation, 2);
        assert.equal(await generation(), 2);
      });

      it('is refused if it was not made, and leaves nothing', async () => {
        const record = open('proxy');
        await record.initialise(newSite(), []);
        const happened = proxy.next('lost', 'COMMIT');
        await assert.rejects(putUser(record, 'alice'), { name: 'DatabaseUnavailable', message: /was not made/ });
        await happened;
        assert.equal(await generation(), 1);
        assert.equal((await putUser(record, 'bob')).version.generation, 2);
      });

      it('makes the site once', async () => {
        const record = open('proxy');
        const happened = proxy.next('unanswered', 'COMMIT');
        const made = await record.initialise(newSite(), []);
        await happened;
        assert.deepEqual(await record.site(), made);
      });

      it('stores events once, however often they are sent again', async () => {
        const record = open('proxy');
        await record.initialise(newSite(), []);
        const batch = [recordedEvent(), recordedEvent()];
        const happened = proxy.next('unanswered', 'COMMIT');
        await assert.rejects(record.storeEvents(batch), assertUnavailable);
        await happened;
        await record.storeEvents(batch);
        assert.equal((await record.events({ limit: 10 })).length, 2);
      });
    });

    describe('other transactions in the way', () => {
      it('make a commit begin anew, and only once is it made', async () => {
        const record = open('direct');
        await record.initialise(newSite(), []);
        await putUser(record, 'alice');
        // Somebody who holds the object and wants the site row, and who has done too much to be the victim.
        const deadlock = serverOf().rootScript(`USE \`${lab.database}\`;
          CREATE TABLE weight (id INT PRIMARY KEY) ENGINE = InnoDB;
          START TRANSACTION;
          INSERT INTO weight SELECT seq FROM (WITH RECURSIVE numbers AS
            (SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM numbers WHERE seq < 500) SELECT seq FROM numbers) AS some;
          UPDATE objects SET deletedAtMs = 0 WHERE name = 'alice';
          SELECT SLEEP(2);
          UPDATE site SET wrappedCaKey = 'other' WHERE id = 1;
          COMMIT;`);
        await waitFor('the object to be held', async () => {
          const [row] = await lab.sql(
            "SELECT COUNT(*) AS held FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
          );
          return Number(row?.held) > 0 || undefined;
        });
        let runs = 0;
        const outcome = await commit(record, async transaction => {
          runs++;
          return transaction.put('User', 'alice', { displayName: `run ${runs}` }, {});
        });
        await deadlock;
        assert.equal(runs, 2);
        assert.equal(outcome.version.generation, 3);
        assert.deepEqual(outcome.result.body, { displayName: 'run 2' });
        assert.equal((await record.history('User', 'alice', 10)).length, 2);
      });

      it('that are dead let go of the site row', { timeout: 120_000 }, async () => {
        const dead = open('proxy');
        await dead.initialise(newSite(), []);
        const silent = proxy.next('silent', 'insert into `history`');
        const dying = assert.rejects(putUser(dead, 'alice'), assertUnavailable);
        await silent;
        const alive = open('direct');
        await waitFor(
          'the row of the site to be free',
          () => putUser(alive, 'bob').catch(error => void assertUnavailable(error)),
          60_000,
        );
        assert.equal(await generation(), 2);
        await dying;
      });
    });

    describe('a schema that was cut off', () => {
      const dialectAt = (port: number) => {
        const url = new URL(lab.url());
        url.port = String(port);
        const parsed = parseMysqlUrl(url.href, path => path);
        assert.ok(parsed.kind === 'address');
        return mysqlDialect(parsed.address, { readOnly: false });
      };

      it('in the middle of its making is completed by the next one, and is no site before', async () => {
        const cut = open('proxy');
        const happened = proxy.next('lost', 'create table if not exists `history`');
        await assert.rejects(cut.initialise(newSite(), []), assertUnavailable);
        await happened;
        const record = open('direct');
        assert.equal(await record.site(), undefined);
        const made = await record.initialise(newSite(), []);
        assert.deepEqual(await record.site(), made);
        await putUser(record, 'alice');
      });

      it('in the middle of a change is brought to its end by the next one', async () => {
        const record = open('direct');
        const made = await record.initialise(newSite(), []);
        const next: Migration = {
          number: MIGRATIONS.length + 1,
          async up(db, { types }) {
            await db.schema.alterTable('commits').addColumn('reason', types.text).execute();
            await db.schema.createIndex('commits_by_time').ifNotExists().on('commits').column('at').execute();
            await db.schema.alterTable('commits').addColumn('ticket', types.text).execute();
          },
        };
        const [cut, whole] = [dialectAt(proxy.port), dialectAt(serverOf().port)];
        const happened = proxy.next('unanswered', 'create index');
        await assert.rejects(migrate(cut, { migrations: [...MIGRATIONS, next] }), assertUnavailable);
        await happened;
        assert.equal((await record.site())?.schema, made.schema);
        await migrate(whole, { migrations: [...MIGRATIONS, next] });
        await migrate(whole, { migrations: [...MIGRATIONS, next] });
        assert.equal((await record.site())?.schema, made.schema + 1);
        assert.equal((await record.commit(AS_PRIMARY, async () => ({ write: true, result: 0 }))).kind, 'committed');
        await Promise.all([cut.close(), whole.close()]);
      });

      for (const statement of ['`remark`', '`severity`', 'create index', 'create table']) {
        it(`in a change that adds columns, at ${statement}, is brought to its end by the next one`, async () => {
          const record = open('direct');
          await record.initialise(newSite(), []);
          const migrations = [...MIGRATIONS, { number: MIGRATIONS.length + 1, up: nextReleaseUp }];
          const [cut, whole] = [dialectAt(proxy.port), dialectAt(serverOf().port)];
          const happened = proxy.next('unanswered', statement);
          await assert.rejects(migrate(cut, { migrations }), assertUnavailable);
          await happened;
          assert.deepEqual(await migrate(whole, { migrations }), { from: SCHEMA, to: SCHEMA + 1 });
          await lab.sql('SELECT objects.remark, events.severity FROM $.objects, $.events, $.remarks');
          await putUser(record, 'alice');
          await Promise.all([cut.close(), whole.close()]);
        });
      }

      it('is changed by one server at a time', async () => {
        await open('direct').initialise(newSite(), []);
        const parsed = parseMysqlUrl(lab.url(), path => path);
        assert.ok(parsed.kind === 'address');
        const [first, second] = [0, 1].map(() => mysqlDialect(parsed.address, { readOnly: false }));
        assert.ok(first !== undefined && second !== undefined);
        const step = (up: Migration['up']): Migration => ({ number: MIGRATIONS.length + 1, up });
        const notNow = { name: 'DatabaseUnavailable', trouble: 'busy', message: /another server changes its schema/ };
        const late = step(() => assert.fail('two at once'));
        const next = step(() => assert.rejects(migrate(second, { migrations: [...MIGRATIONS, late] }), notNow));
        assert.deepEqual(await migrate(first, { migrations: [...MIGRATIONS, next] }), {
          from: MIGRATIONS.length,
          to: next.number,
        });
        assert.equal(await migrate(second, { migrations: [...MIGRATIONS, late] }), undefined);
        await Promise.all([first.close(), second.close()]);
      });

      it('is not made among tables of another program', async () => {
        await lab.sql('CREATE TABLE $.events (id INT)');
        const record = open('direct');
        const foreign = { name: 'DatabaseUnavailable', trouble: 'foreign', message: /table events of another program/ };
        await assert.rejects(record.initialise(newSite(), []), foreign);
        const tables = await lab.sql('SHOW TABLES FROM $');
        assert.equal(tables.length, 1);
      });
    });
  });
}
