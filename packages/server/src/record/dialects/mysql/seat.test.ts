import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPool } from './pool.ts';
import { type Seat, writeOn } from './seat.ts';
import { SqlError } from './sql-errors.ts';

/** A server behind a proxy: `refusing` is asked for each statement of the connection of this number. */
function seatsOf(refusing: (connection: number, sql: string) => number | undefined) {
  let opened = 0;
  return createPool<Seat>({
    ...{ size: 1, waitMs: 1_000, maxWaiting: 1, tooLate: () => new Error('late'), tooMany: () => new Error('many') },
    open: async () => {
      const number = ++opened;
      let lost = false;
      const destroy = () => {
        lost = true;
      };
      return {
        query: async sql => {
          const errno = refusing(number, sql);
          if (errno !== undefined) throw new SqlError(errno, 'said');
          return { rows: [], affectedRows: 0, insertId: number };
        },
        ping: async () => {},
        isLost: () => lost,
        ...{ destroy, end: destroy },
        facts: { kind: 'mysql', version: '9.7.4', account: 'u@%', serverId: String(number), variables: new Map() },
      };
    },
  });
}

describe('a member of a cluster that takes no writes any more', () => {
  for (const [at, errno] of [
    ['START TRANSACTION', 3797],
    ['COMMIT', 1290],
    ['COMMIT', 1836],
  ] as const) {
    it(`says so at ${at} (${errno}): what comes next is sent to another one`, async () => {
      const pool = seatsOf((connection, sql) => (connection === 1 && sql === at ? errno : undefined));
      const write = () => writeOn(pool, 'there', async () => ({ keep: true, value: 'made' }));
      await assert.rejects(write, { errno });
      assert.equal(await write(), 'made');
      await pool.close();
    });
  }

  it('says so at a statement of the transaction: the same', async () => {
    const pool = seatsOf(() => undefined);
    const used: number[] = [];
    const write = (refused: boolean) =>
      writeOn(pool, 'there', async () => {
        used.push(pool.load().inUse);
        if (refused) throw new SqlError(1290, 'said');
        return { keep: true, value: 'made' };
      });
    await assert.rejects(write(true), { errno: 1290 });
    assert.equal(pool.load().idle, 0, 'its connection is used no more');
    assert.equal(await write(false), 'made');
    await pool.close();
  });
});
