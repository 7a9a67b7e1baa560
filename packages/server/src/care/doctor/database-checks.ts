import type { Examination } from '../../record/dialects/mysql/examine.ts';
import type { DatabaseFinding } from '../../record/errors.ts';
import { type Check, fail, type Level, ok } from './check.ts';
import { checkClock } from './clock-check.ts';

export type DatabaseUse = {
  readonly role: 'primary' | 'secondary';
  readonly acceptWeakDurability: boolean;
};

/** What an external database gives this server. */
export function checkExamined(seen: Examination, use: DatabaseUse, nowMs: () => number): readonly Check[] {
  const isPrimary = use.role === 'primary';
  const { durability, rights, tables, clock } = seen;
  const weak = isPrimary && !use.acceptWeakDurability ? 'fail' : 'warn';
  return [
    finding('durability', durability, weak, 'it keeps what it has acknowledged'),
    finding('rights', rights, isPrimary ? 'fail' : 'warn', 'the account has what it needs, and no more'),
    finding('tables', tables, 'fail', 'InnoDB, utf8mb4_bin'),
    readOnly(seen, isPrimary),
    ...replication(seen, isPrimary),
    // Half of the way is the answer's.
    checkClock("the database's clock", clock.atMs + clock.tookMs / 2, nowMs()),
  ];
}

function finding(check: string, found: DatabaseFinding | undefined, level: Level, otherwise: string): Check {
  if (found === undefined) return ok(check, otherwise);
  return { check, level, found: found.what, do: 'run there', sql: found.mend };
}

function readOnly({ isReadOnly, replication, kind }: Examination, isPrimary: boolean): Check {
  if (isPrimary) {
    if (!isReadOnly) return ok('read-only', 'the database takes writes');
    const sql = [
      kind === 'mysql' ? 'SET PERSIST super_read_only = OFF, PERSIST read_only = OFF;' : 'SET GLOBAL read_only = OFF;',
    ];
    const found = 'the database of the Primary is read-only: is it a Slave, or a demoted Master?';
    return { check: 'read-only', level: 'fail', found, do: 'if it is the Master, run there', sql };
  }
  if (isReadOnly) return ok('read-only', 'the database takes no writes but those of replication');
  if (replication.kind === 'none') return ok('read-only', 'the database takes writes, as the Primary needs it');
  if (replication.kind === 'unknown')
    return ok('read-only', 'the database takes writes: right in HALF, wrong on a Slave');
  const sql = [kind === 'mysql' ? 'SET PERSIST super_read_only = ON;' : 'SET GLOBAL read_only = ON;'];
  const found = 'this Slave takes writes of others: one of them can break replication, or let it drift unseen';
  return { check: 'read-only', level: 'warn', found, do: 'run there, and put it into its configuration', sql };
}

function replication({ replication }: Examination, isPrimary: boolean): readonly Check[] {
  const check = 'replication';
  switch (replication.kind) {
    case 'none':
      return isPrimary ? [] : [ok(check, 'this database is no Slave: HALF, both servers on one database')];
    case 'unknown': {
      if (isPrimary) return [];
      const { what, mend } = replication.finding;
      return [{ check, level: 'warn', found: what, do: 'run on the Master; replication brings it here', sql: mend }];
    }
    case 'slave': {
      const { receives, applies, errors } = replication;
      if (isPrimary) {
        return [fail(check, 'the database of the Primary is a Slave', 'put the Master into "database" of server.json')];
      }
      if (receives && applies) return [ok(check, 'it receives and applies')];
      const stands = `it ${receives ? 'receives' : 'does not receive'} and ${applies ? 'applies' : 'does not apply'}`;
      const found = [stands, ...errors].join('; ');
      return [{ check, level: 'fail', found, do: 'mend what it says, then run there', sql: ['START REPLICA;'] }];
    }
  }
}
