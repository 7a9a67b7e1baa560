import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { sqliteDialect } from '../../packages/server/src/record/dialects/sqlite.ts';
import { MIGRATIONS, migrate } from '../../packages/server/src/record/migrations/index.ts';
import type { Migration } from '../../packages/server/src/record/migrations/migration.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { manualClock } from '../support/manual-clock.ts';
import { newSite } from '../support/record-fixtures.ts';
import { commit, followFeed, putUser, standing } from '../support/record-steps.ts';
import { sqliteLab } from '../support/sqlite-lab.ts';
import { sourceOfRecordContract } from './source-of-record.ts';

sourceOfRecordContract('SQLite', sqliteLab);

describe('the file of an embedded source of record', () => {
  let lab: ReturnType<typeof sqliteLab>;
  beforeEach(() => {
    lab = sqliteLab();
  });
  afterEach(() => lab.remove());

  it('is missing, empty, garbage, or of another program: each is told apart, and none is taken for a new site', async () => {
    const trouble = async (expected: string) => {
      for (const readOnly of [false, true]) {
        const record = lab.open({ readOnly });
        await assert.rejects(record.feed(undefined), { name: 'DatabaseUnavailable', trouble: expected });
        await record.close();
      }
    };
    await trouble('missing');
    writeFileSync(lab.path, '');
    await trouble('no_site');
    writeFileSync(lab.path, 'x'.repeat(10_000));
    await trouble('damaged');
    writeFileSync(lab.path, '');
    const other = new Database(lab.path);
    other.pragma('application_id = 42');
    other.close();
    await trouble('foreign');
  });

  it('is read again after damage was mended, without a restart', async () => {
    const record = lab.open();
    await record.initialise(newSite(), []);
    const secondary = lab.open({ readOnly: true });
    await secondary.feed(undefined);
    await record.close();
    lab.takeAway();
    writeFileSync(lab.path, 'y'.repeat(10_000));
    await assert.rejects(secondary.feed(undefined), { trouble: 'damaged' });
    lab.bringBack();
    assert.equal((await secondary.feed(undefined)).kind, 'full');
    await secondary.close();
  });

  it('belongs to its owner alone, with all that SQLite puts beside it', async () => {
    const record = lab.open();
    await record.initialise(newSite(), []);
    await putUser(record, 'alice');
    assert.ok(existsSync(`${lab.path}-wal`));
    const modes = () => readdirSync(lab.dir).map(file => statSync(join(lab.dir, file)).mode & 0o777);
    assert.deepEqual(new Set(modes()), new Set([0o600]));
    await record.close();
    chmodSync(lab.path, 0o644);
    const again = lab.open();
    await putUser(again, 'bob');
    assert.deepEqual(new Set(modes()), new Set([0o600]));
    await again.close();
  });

  it('is not opened by a URL that means nothing', () => {
    const options = { dataDir: lab.dir, clock: manualClock() };
    for (const url of ['sqlite:', 'postgres://root:hunter2@db/x', 'site.db', '']) {
      assert.throws(
        () => openSourceOfRecord(url, options),
        (error: Error) => error.name === 'BadDatabaseUrl' && !error.message.includes('hunter2'),
      );
    }
  });

  it('gives one snapshot after the other to who reads while another process commits', async () => {
    const record = lab.open();
    await record.initialise(newSite(), []);
    await record.close();
    const secondary = lab.open({ readOnly: true });
    const killed = commitUntilKilled(lab.dir, 400);
    const followed = await followFeed(secondary, killed);
    assert.ok(followed.site.version.generation > 400);
    assert.ok(followed.reads > 100, `only ${followed.reads} reads met the writer`);
    await secondary.close();
  });

  it('loses no acknowledged commit when the Primary is killed, and a Secondary goes on reading', async () => {
    const record = lab.open();
    await record.initialise(newSite(), []);
    await record.close();
    const secondary = lab.open({ readOnly: true });
    await secondary.feed(undefined);

    for (let round = 0; round < 3; round++) {
      const acknowledged = await commitUntilKilled(lab.dir, 40 + 17 * round);
      const feed = await secondary.feed(undefined);
      const { generation } = feed.site.version;
      // One more may have been committed than was printed; never one less.
      assert.ok(generation >= acknowledged, `acknowledged ${acknowledged}, found ${generation}`);
      assert.ok(generation <= acknowledged + 1, `acknowledged ${acknowledged}, found ${generation}`);
    }
    const rows = new Database(lab.path, { readonly: true });
    const generations = rows.prepare<[], number>('SELECT generation FROM commits ORDER BY generation').pluck().all();
    assert.deepEqual(
      generations,
      generations.map((_, i) => i + 1),
    );
    assert.equal(rows.pragma('integrity_check', { simple: true }), 'ok');
    rows.close();
    await secondary.close();
  });

  it('cannot be written while another process holds its lock: says so, soon, and goes on afterwards', async () => {
    const record = lab.open();
    await record.initialise(newSite(), []);
    const tool = new Database(lab.path);
    tool.exec('BEGIN IMMEDIATE');
    await assert.rejects(putUser(record, 'alice'), { name: 'DatabaseUnavailable', trouble: 'busy' });
    assert.equal((await record.feed(undefined)).kind, 'full');
    tool.exec('ROLLBACK');
    tool.close();
    assert.equal((await putUser(record, 'alice')).version.generation, 2);
    await record.close();
  });

  it('says damaged when a page of it is broken, and harms nothing', async () => {
    const record = lab.open();
    await record.initialise(newSite(), []);
    await commit(record, async transaction => {
      for (let i = 0; i < 500; i++) await transaction.put('User', `u${i}`, { displayName: 'x'.repeat(200) }, {});
    });
    await record.close();
    truncateSync(lab.path, 16 * 1024);
    const again = lab.open();
    await assert.rejects(again.feed(undefined), { name: 'DatabaseUnavailable', trouble: 'damaged' });
    await again.close();
  });
});

describe('migrations', () => {
  let lab: ReturnType<typeof sqliteLab>;
  beforeEach(() => {
    lab = sqliteLab();
  });
  afterEach(() => lab.remove());

  const next: Migration = {
    number: MIGRATIONS.length + 1,
    async up(db, { types }) {
      await db.schema.alterTable('commits').addColumn('reason', types.text).execute();
    },
  };

  it('are numbered without a gap', () => {
    assert.deepEqual(
      MIGRATIONS.map(({ number }) => number),
      MIGRATIONS.map((_, i) => i + 1),
    );
  });

  it('bring a schema forward once, while the build before goes on with it', async () => {
    const before = lab.open();
    const made = await before.initialise(newSite(), []);
    const dialect = sqliteDialect(lab.path, { readOnly: false });
    await migrate(dialect, { migrations: [...MIGRATIONS, next] });
    await migrate(dialect, { migrations: [...MIGRATIONS, next] });
    await dialect.close();
    assert.equal((await before.site())?.schema, made.schema + 1);
    await putUser(before, 'alice');
    assert.equal((await standing(before)).version.generation, 2);
    await before.close();
  });

  it('leave nothing half done when one fails', async () => {
    const record = lab.open();
    const made = await record.initialise(newSite(), []);
    const failing: Migration = {
      number: next.number,
      async up(db, dialect) {
        await next.up(db, dialect);
        throw new Error('half way');
      },
    };
    const dialect = sqliteDialect(lab.path, { readOnly: false });
    await assert.rejects(migrate(dialect, { migrations: [...MIGRATIONS, failing] }), /half way/);
    await migrate(dialect, { migrations: [...MIGRATIONS, next] });
    await dialect.close();
    assert.equal((await record.site())?.schema, made.schema + 1);
    await record.close();
  });
});

/** Runs a Primary that commits without end, kills it (-9) after some commits; gives the last acknowledged generation. */
async function commitUntilKilled(dir: string, commits: number): Promise<number> {
  const script = join(import.meta.dirname, 'commit-forever.ts');
  const child = spawn(process.execPath, ['--conditions=source', script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  let lines = 0;
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    printed += chunk;
    lines = printed.split('\n').length - 1;
    if (lines >= commits) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return Number(printed.trimEnd().split('\n').at(-1));
}
