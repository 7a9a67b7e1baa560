import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { waitFor } from '../../../../test/support/wait.ts';
import { openReserve, type Reserve, type ReserveChange, type ReserveOptions } from './reserve.ts';

const FIRST_LOOK_MS = 10_000;
const KIB = 1024;
const WANTED = 1024 * KIB;
const SLICE = 256 * KIB;
/** A disk that has no room beyond what is asked for. */
const NO_ROOM = 2 ** 60;

describe('the room that is kept for the journal', () => {
  let dir: string;
  let path: string;
  let clock: ManualClock;
  let told: ReserveChange[];
  let reserve: Reserve;

  const open = (more: Partial<ReserveOptions> = {}) => {
    reserve = openReserve(path, {
      clock,
      onTrouble: error => assert.fail(String(error)),
      ...{ wantedBytes: WANTED, sliceBytes: SLICE, marginBytes: 0, ...more },
    });
    reserve.onChange(change => told.push(change));
  };
  const grown = (bytes: number) => waitFor(`a reserve of ${bytes}`, () => reserve.bytes() === bytes || undefined);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'thinman-reserve-'));
    path = join(dir, 'journal.reserve');
    clock = manualClock();
    told = [];
  });
  afterEach(async () => {
    await reserve.stop();
    rmSync(dir, { recursive: true });
  });

  it('is made in the background, and its blocks are really taken', async () => {
    open();
    assert.ok(!existsSync(path));
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    await waitFor('it to be told', () => told.length > 0 || undefined);
    assert.deepEqual(told, ['whole']);
    const { blocks, size, mode } = statSync(path);
    assert.ok(blocks * 512 >= WANTED && size === WANTED);
    assert.equal(mode & 0o777, 0o600);
  });

  it('is given up slice by slice on a full disk, and says when nothing is left', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    for (const left of [3, 2, 1, 0]) {
      assert.equal(reserve.giveUp('full'), true);
      assert.equal(statSync(path).size, left * SLICE);
      assert.equal(reserve.bytes(), left * SLICE);
    }
    assert.equal(reserve.giveUp('full'), false);
  });

  it('is made anew when somebody has deleted it', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    rmSync(path);
    // Who has just made it looks again a moment later than it is there.
    await waitFor('it to be there', async () => {
      await clock.advance(FIRST_LOOK_MS);
      return existsSync(path) || undefined;
    });
    await grown(WANTED);
    assert.equal(statSync(path).size, WANTED);
  });

  it('is not given up for trouble that no room mends', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    for (const trouble of ['busy', 'damaged', 'unreadable'] as const) assert.equal(reserve.giveUp(trouble), false);
    assert.equal(reserve.bytes(), WANTED);
  });

  it('is made anew when there is room', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    await waitFor('it to be told', () => told.length > 0 || undefined);
    reserve.giveUp('full');
    await waitFor('it to be told', async () => {
      await clock.advance(FIRST_LOOK_MS);
      return told.length > 2 || undefined;
    });
    await grown(WANTED);
    assert.deepEqual(told, ['whole', 'used', 'whole']);
  });

  it('does not fill a disk that is just not full, and says that it lacks, once', async () => {
    open({ marginBytes: NO_ROOM });
    await clock.advance(60_000);
    assert.ok(!existsSync(path));
    assert.deepEqual(told, ['lacking']);
  });

  it('is tight while there is hardly any room: not because what is free is too little to keep some of it', async () => {
    let freeBytes = 4 * WANTED;
    open({ freeBytes: () => freeBytes });
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    await waitFor('it to be told', () => told.length > 0 || undefined);
    freeBytes = 0;
    assert.equal(reserve.isTight(), false, 'it is whole');
    reserve.giveUp('full');
    assert.equal(reserve.isTight(), true);
    freeBytes = SLICE;
    assert.equal(reserve.isTight(), false);
    await reserve.stop();

    rmSync(path);
    open({ freeBytes: () => freeBytes });
    await clock.advance(60_000);
    assert.equal(told.at(-1), 'lacking');
    assert.equal(reserve.isTight(), false);
    freeBytes = SLICE - 1;
    assert.equal(reserve.isTight(), true);
  });

  it('is there after a restart, and is not told of again', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    await reserve.stop();
    told = [];
    open({ marginBytes: NO_ROOM });
    await clock.advance(60_000);
    assert.equal(reserve.bytes(), WANTED);
    assert.deepEqual(told, []);
  });

  it('that was used before a restart is lacking from its start, so that its being whole again is news', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    reserve.giveUp('full');
    await reserve.stop();
    told = [];
    open({ marginBytes: NO_ROOM });
    assert.deepEqual(told, ['lacking']);
  });

  it('takes a copy with a hole in it for none', async () => {
    open();
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    await reserve.stop();
    truncateSync(path, 0);
    truncateSync(path, WANTED);
    open();
    assert.equal(reserve.bytes(), 0);
    await clock.advance(FIRST_LOOK_MS);
    await grown(WANTED);
    assert.ok(statSync(path).blocks * 512 >= WANTED);
  });
});
