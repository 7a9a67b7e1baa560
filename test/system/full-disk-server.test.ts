import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JOURNAL_RESERVE_BYTES, ServerReport } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { mountSmallDisk, NO_DISK } from '../support/disk.ts';
import { askSocket } from '../support/local-socket.ts';
import { expectLogin, inWords } from '../support/logins.ts';
import type { Server } from '../support/server-commands.ts';
import { waitUntilOn } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

const MIB = 2 ** 20;
/** The reserve, and as much again: it is made only where that is left. */
const PRIMARY_DISK_BYTES = 256 * MIB;
const DATABASE_DISK_BYTES = 32 * MIB;
/** Reserve by slices of 8 MiB: one login takes no more than one. */
const MAX_ROUNDS = 20;

/** The Primary on a disk of its own, its source of record on another one. undefined: that cannot be had here. */
function surround(folder: string) {
  const own = mountSmallDisk(folder, 'disk-of-the-primary', PRIMARY_DISK_BYTES);
  if (own === undefined) return undefined;
  const record = mountSmallDisk(folder, 'disk-of-the-database', DATABASE_DISK_BYTES);
  if (record === undefined) {
    own[Symbol.dispose]();
    return undefined;
  }
  // A new disk holds `lost+found`: the data folder lies inside it.
  mkdirSync(join(own.folder, 'data'));
  symlinkSync(join(own.folder, 'data'), join(folder, 'primary'));
  const url = `sqlite:${join(record.folder, 'site.db')}`;
  return {
    ...{ own, record, databases: { primary: url, secondary: url } },
    async [Symbol.asyncDispose]() {
      own[Symbol.dispose]();
      record[Symbol.dispose]();
    },
  };
}

async function reportOf(server: Server): Promise<ServerReport> {
  const report = await askSocket(join(server.data, 'admin.sock'), '/v1/admin/status', ServerReport);
  assert.ok(report !== undefined, `${server.name} does not answer`);
  return report;
}

const until = (server: Server, what: string, wanted: (report: ServerReport) => boolean) =>
  waitFor(`${server.name} ${what}`, async () => {
    const report = await reportOf(server);
    return wanted(report) ? report : undefined;
  });

/** Folds the write-ahead log in, so that the next commit needs room. */
function foldIn(file: string): void {
  const handle = new Database(file);
  handle.pragma('wal_checkpoint(TRUNCATE)');
  handle.close();
}

test('a full disk on the server: from the reserve, then straight to the database, then on the other server; nothing is lost', async t => {
  class NotHere extends Error {}
  const surroundings = async (folder: string) => {
    const made = surround(folder);
    if (made === undefined) throw new NotHere();
    return made;
  };
  try {
    await onSiteIn(surroundings, { agents: ['tc-1', 'tc-2'] }, async (site, { own, record }) => {
      const { primary, secondary } = site;
      const [device, other] = [site.agent('tc-1'), site.agent('tc-2')];
      await until(primary, 'to have its reserve', ({ journal }) => journal?.reserveBytes === JOURNAL_RESERVE_BYTES);
      await expectLogin(device, ALICE, 'granted online by primary');

      // The reserve: each time something else takes what it gives up.
      for (let round = 0; (await reportOf(primary)).journal?.reserveBytes !== 0; round++) {
        assert.ok(round < MAX_ROUNDS, 'the reserve is spent');
        foldIn(join(primary.data, 'journal.db'));
        own.fill();
        await expectLogin(round % 2 ? device : other, round % 2 ? ALICE : BOB, 'granted online by primary');
        const { state, journal } = await reportOf(primary);
        assert.deepEqual([state, journal?.path], ['serving', 'journal']);
      }
      // It must be able to start on a disk like this.
      await primary.kill();
      await primary.start();
      await waitUntilOn(device, primary);
      await waitUntilOn(other, primary);

      // Straight to the database.
      await waitFor('a login that the journal does not take', async () => {
        foldIn(join(primary.data, 'journal.db'));
        own.fill();
        await expectLogin(device, ALICE, 'granted online by primary');
        const { state, journal } = await reportOf(primary);
        assert.equal(state, 'serving');
        return journal?.path === 'direct' ? true : undefined;
      });
      const events = await primary.events();
      const answered = events.filter(({ type, data }) => type === 'login.answered' && data.verdict === 'granted');
      const seen = site.history.logins.filter(({ answer }) => answer?.server === 'primary');
      assert.ok(answered.length >= seen.length, 'no grant without its event, though no journal took it');
      assert.ok(events.some(({ type }) => type === 'journal.bypassed'));

      // Nowhere: on the other server.
      await waitFor('the Primary to be unavailable', async () => {
        foldIn(join(record.folder, 'site.db'));
        record.fill();
        assert.match(inWords(await device.login(ALICE.name, ALICE.password)), /^granted online by (primary|secondary)/);
        return (await reportOf(primary)).state === 'unavailable' ? true : undefined;
      });
      await expectLogin(device, BOB, 'granted online by secondary');
      await waitUntilOn(other, secondary);
      await expectLogin(other, ALICE, 'granted online by secondary');

      // Room again.
      record.free();
      own.free();
      await until(primary, 'to be serving', ({ state, journal }) => state === 'serving' && journal?.path === 'journal');
      await until(primary, 'to have its reserve', ({ journal }) => journal?.reserveBytes === JOURNAL_RESERVE_BYTES);
      await waitUntilOn(device, primary);
      await waitUntilOn(other, primary);
      await expectLogin(device, ALICE, 'granted online by primary');
      const states = (await waitFor('the end to be told', async () => {
        const told = (await primary.events())
          .filter(({ type }) => type === 'journal.reserve')
          .map(({ data }) => data.state);
        return told.at(-1) === 'whole' ? told : undefined;
      })) as string[];
      assert.ok(states.includes('used'));
    });
  } catch (error) {
    if (error instanceof NotHere) return t.skip(NO_DISK);
    throw error;
  }
});
