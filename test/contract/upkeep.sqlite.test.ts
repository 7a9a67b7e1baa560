import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RecordDialect } from '../../packages/server/src/record/dialects/dialect.ts';
import { sqliteDialect } from '../../packages/server/src/record/dialects/sqlite.ts';
import { readFeed } from '../../packages/server/src/record/feed.ts';
import { MIGRATIONS } from '../../packages/server/src/record/migrations/index.ts';
import type { Migration } from '../../packages/server/src/record/migrations/migration.ts';
import { SCHEMA } from '../../packages/server/src/record/schema.ts';
import { createUpkeep, type SchemaNews } from '../../packages/server/src/record/upkeep.ts';
import { newSite } from '../support/record-fixtures.ts';
import { sqliteLab } from '../support/sqlite-lab.ts';

const NEXT = SCHEMA + 1;
const { primaryInstance } = newSite();

describe('the schema that a newer server finds', () => {
  let lab: ReturnType<typeof sqliteLab>;
  const dialects: RecordDialect[] = [];
  let steps: number;
  const next: Migration = {
    number: NEXT,
    async up(db, { types }) {
      steps++;
      await db.schema.alterTable('commits').addColumn('reason', types.text).execute();
    },
  };
  beforeEach(async () => {
    steps = 0;
    lab = sqliteLab();
    const record = lab.open();
    await record.initialise(newSite(), []);
    await record.close();
  });
  afterEach(async () => {
    for (const dialect of dialects.splice(0)) await dialect.close();
    lab.remove();
  });

  /** A server of the next build. */
  function open(instance: string | undefined, step = next) {
    const dialect = sqliteDialect(lab.path, { readOnly: instance === undefined });
    dialects.push(dialect);
    const news: SchemaNews[] = [];
    const upkeep = createUpkeep(dialect, {
      ...(instance !== undefined && { instance }),
      migrations: [...MIGRATIONS, step],
      onNews: told => news.push(told),
    });
    const feed = () => upkeep.whileReading(() => readFeed(dialect, undefined));
    return { ...upkeep, news, feed, schema: async () => (await feed()).site.schema };
  }

  it('is read by a Secondary as it is, who says so once and changes nothing', async () => {
    const secondary = open(undefined);
    assert.equal(await secondary.schema(), SCHEMA);
    assert.equal(await secondary.schema(), SCHEMA);
    await secondary.toWrite();
    assert.deepEqual(secondary.news, [{ kind: 'older', found: SCHEMA, writes: NEXT }]);
    assert.equal(steps, 0);
  });

  it('is brought up by the Primary: its first read does not wait for that, its first write does', async () => {
    const primary = open(primaryInstance);
    assert.equal(await primary.schema(), SCHEMA);
    await primary.toWrite();
    assert.equal(await primary.schema(), NEXT);
    assert.deepEqual(primary.news, [{ kind: 'migrated', from: SCHEMA, to: NEXT }]);
    assert.equal(steps, 1);
  });

  it('is brought up once, however many writes wait for it', async () => {
    const primary = open(primaryInstance);
    await Promise.all([primary.toWrite(), primary.feed(), primary.toWrite()]);
    await primary.toWrite();
    assert.equal(steps, 1);
  });

  it('is left alone by a server that was the Primary, until an administrator makes it that again', async () => {
    const former = open('another-installation');
    await former.toWrite();
    assert.equal(await former.schema(), SCHEMA);
    assert.equal(steps, 0);
    await former.toTakeOver();
    assert.equal(await former.schema(), NEXT);
  });

  it('is brought up again when an older backup was put back under a running server', async () => {
    await lab.backUp();
    const primary = open(primaryInstance);
    await primary.toWrite();
    assert.equal(await primary.schema(), NEXT);
    await lab.restore();
    assert.equal(await primary.schema(), SCHEMA);
    await primary.toWrite();
    assert.equal(await primary.schema(), NEXT);
    assert.equal(steps, 2);
  });

  it('cannot be brought up: reading and writing both say why, and it is tried again', async () => {
    let isBroken = true;
    const primary = open(primaryInstance, {
      number: NEXT,
      async up(db, dialect) {
        if (isBroken) throw new Error('no right to alter');
        await next.up(db, dialect);
      },
    });
    await assert.rejects(primary.toWrite(), /no right to alter/);
    await assert.rejects(primary.feed(), /no right to alter/);
    isBroken = false;
    await primary.toWrite();
    assert.equal(await primary.schema(), NEXT);
  });

  it('says of a schema that is newer than its own that it is', async () => {
    await lab.alterSite({ schema: SCHEMA + 1 });
    const news: SchemaNews[] = [];
    const dialect = sqliteDialect(lab.path, { readOnly: true });
    dialects.push(dialect);
    const upkeep = createUpkeep(dialect, { onNews: told => news.push(told) });
    await upkeep.whileReading(() => readFeed(dialect, undefined));
    assert.deepEqual(news, [{ kind: 'newer', found: SCHEMA + 1, writes: SCHEMA }]);
  });
});
