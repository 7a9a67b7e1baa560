import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountSmallDisk, NO_DISK } from '../support/disk.ts';
import { fillUp, foldIn, ownDisk, reportOf, untilReport, untilReserved } from '../support/full-disk.ts';
import { expectLogin, inWords } from '../support/logins.ts';
import { waitUntilOn } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

const MIB = 2 ** 20;
const DATABASE_DISK_BYTES = 32 * MIB;
/** Reserve by slices of 8 MiB: one login takes no more than one. */
const MAX_ROUNDS = 20;

/** The Primary on a disk of its own, its source of record on another one. undefined: that cannot be had here. */
function surround(folder: string) {
  const own = ownDisk(folder, 'primary');
  if (own === undefined) return undefined;
  const record = mountSmallDisk(folder, 'disk-of-the-database', DATABASE_DISK_BYTES);
  if (record === undefined) {
    own[Symbol.dispose]();
    return undefined;
  }
  const url = `sqlite:${join(record.folder, 'site.db')}`;
  return {
    ...{ own, record, databases: { primary: url, secondary: url } },
    async [Symbol.asyncDispose]() {
      own[Symbol.dispose]();
      record[Symbol.dispose]();
    },
  };
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
      await untilReserved(primary);
      await expectLogin(device, ALICE, 'granted online by primary');

      // The reserve: each time something else takes what it gives up.
      for (let round = 0; (await reportOf(primary)).journal?.reserveBytes !== 0; round++) {
        assert.ok(round < MAX_ROUNDS, 'the reserve is spent');
        fillUp(primary, own);
        await expectLogin(round % 2 ? device : other, round % 2 ? ALICE : BOB, 'granted online by primary');
        // Not at once: folding in holds the journal's lock for a moment, and what comes just then goes around it. And the last of
        // the reserve may go to another event, while the disk is being filled: nothing is left for the login then.
        const { state } = await untilReport(
          primary,
          'to write into its journal, for as long as there is a reserve',
          ({ journal }) => journal?.path === 'journal' || journal?.reserveBytes === 0,
        );
        assert.equal(state, 'serving');
      }
      // It must be able to start on a disk like this.
      await primary.kill();
      await primary.start();
      await waitUntilOn(device, primary);
      await waitUntilOn(other, primary);

      // Straight to the database.
      await waitFor('a login that the journal does not take', async () => {
        fillUp(primary, own);
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
      await untilReport(
        primary,
        'to be serving',
        ({ state, journal }) => state === 'serving' && journal?.path === 'journal',
      );
      await untilReserved(primary);
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
