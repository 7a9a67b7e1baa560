import type { AssignmentBody, Version } from '@thinman/protocol';
import { compareVersions } from '@thinman/protocol';
import type { StoredObject } from '../../ports.ts';
import type { Replication } from '../../record/dialects/mysql/examine.ts';
import { SCHEMA } from '../../record/schema.ts';
import { type Check, ok, warn } from './check.ts';

export function checkSchema(schema: number): Check {
  if (schema === SCHEMA) return ok('schema', `${schema}, which this version writes`);
  const found = `${schema}, and this version of ThinMan writes ${SCHEMA}`;
  const advice = schema < SCHEMA ? 'it is brought up when the Primary starts with this version' : 'update this server';
  return warn('schema', found, advice);
}

export function checkQuarantine(count: number): Check {
  if (count === 0) return ok('quarantine', 'the database has refused no event');
  return warn(
    'quarantine',
    `the database has refused ${count} events`,
    'look at the table event_quarantine, and report it',
  );
}

/** Whether the data have arrived here: `primary`: where the Primary stands, as it said a moment before. */
export function checkAligned(own: Version, primary: Version): Check {
  const said = `the database of this server is at ${own.epoch}.${own.generation}`;
  const theirs = `the Primary at ${primary.epoch}.${primary.generation}`;
  if (compareVersions(own, primary) >= 0) return ok('aligned', said);
  return warn('aligned', `${said}, ${theirs}`, 'look at replication; thinman-server status names what is missing');
}

/** How the site is laid out, as far as can be told from this host. */
export type Redundancy = 'single' | 'half' | 'full' | 'unknown';

export function redundancyOf(
  role: 'primary' | 'secondary',
  servers: number,
  replication: Replication | undefined,
): Redundancy {
  if (servers < 2) return 'single';
  if (replication === undefined) return 'half';
  if (role === 'primary' || replication.kind === 'unknown') return 'unknown';
  return replication.kind === 'slave' ? 'full' : 'half';
}

/** User profiles are what people work with: with less than FULL, one dead database stops every change of them. */
export function checkRedundancy(redundancy: Redundancy, assignments: readonly StoredObject[]): Check {
  const check = 'redundancy';
  const count = assignments.filter(({ body }) => {
    const { profile, to } = body as AssignmentBody;
    return profile !== undefined && (to.user !== undefined || to.userGroup !== undefined);
  }).length;
  const profiles = `${count} assignments of profiles to users or groups of users`;
  switch (redundancy) {
    case 'full':
      return ok(check, `FULL; ${profiles}`);
    case 'unknown':
      return ok(check, `a pair; whether it is FULL, the doctor on the Secondary says; ${profiles}`);
    case 'half':
    case 'single': {
      const laidOut = redundancy === 'half' ? 'HALF: one database' : 'a single server';
      if (count === 0) return ok(check, `${laidOut}; no profile is assigned to users`);
      const advice = 'docs/operations.md, "FULL": a Secondary with a database of its own';
      return warn(check, `${laidOut}, and ${profiles}`, advice);
    }
  }
}
