import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AtHand, isConflict, isUndecided, SqlError, unavailableBy } from './sql-errors.ts';

const PRIMARY: AtHand = { where: 'database thinman', database: 'thinman', account: 'thin@%', readOnly: false };
const SECONDARY: AtHand = { ...PRIMARY, account: 'reader@%', readOnly: true };
const CREATE = 'CREATE DATABASE IF NOT EXISTS `thinman` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;';
const GRANT = "GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE ON `thinman`.* TO 'thin'@'%';";
const GRANT_READING = "GRANT SELECT ON `thinman`.* TO 'reader'@'%';";

/** What is to be run there; undefined: nothing. */
const mend = (errno: number, at: AtHand) =>
  unavailableBy(new SqlError(errno, 'said'), at)?.message.split('. Run there: ')[1];

describe('what is to be run on the database', () => {
  const cases: readonly (readonly [what: string, errno: number, at: AtHand, sql: string | undefined])[] = [
    ['the account may not use it (1044): its rights first', 1044, PRIMARY, `${GRANT} ${CREATE}`],
    ['there is none of this name (1049): that first', 1049, PRIMARY, `${CREATE} ${GRANT}`],
    ['a Secondary may not use it', 1044, SECONDARY, GRANT_READING],
    ['a Secondary waits for replication to bring it', 1049, SECONDARY, GRANT_READING],
    ['the account is not known', 1044, { ...PRIMARY, account: undefined }, CREATE],
    ['a right lacks on a table', 1142, PRIMARY, GRANT],
    ['a password is wrong', 1045, PRIMARY, undefined],
  ];
  for (const [what, errno, at, sql] of cases) it(what, () => assert.equal(mend(errno, at), sql));
});

it('an account that is refused is told where its password may come from', () => {
  const refused = unavailableBy(new SqlError(1045, 'said'), PRIMARY);
  assert.equal(refused?.trouble, 'refused');
  assert.match(refused?.message ?? '', /refuses the account .*password-file, .*THINMAN_DATABASE_PASSWORD/);
});

describe('a COMMIT that a cluster does not make', () => {
  for (const [errno, what, again] of [
    [1213, 'Galera has refused it for another one', true],
    [3101, 'InnoDB Cluster has refused it for another one', true],
    [1180, 'a Galera node lost the others', false],
    [3100, 'a member of an InnoDB Cluster lost the others', false],
  ] as const) {
    it(`${what} (${errno}): ${again ? 'the same once more' : 'it is looked for'}`, () => {
      const error = new SqlError(errno, 'said');
      assert.deepEqual([isConflict(error), isUndecided(error)], [again, !again]);
      assert.equal(unavailableBy(error, PRIMARY)?.trouble, again ? 'busy' : 'unreachable');
    });
  }
});

it('what is too long for one packet is told with the setting that takes it', () => {
  const refused = unavailableBy(new SqlError(1153, 'said'), PRIMARY);
  assert.equal(refused?.trouble, 'refused');
  assert.match(refused?.message ?? '', /max_allowed_packet to 16777216/);
});
