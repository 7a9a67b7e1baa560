import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Finished } from './processes.ts';
import { ADMINISTRATION_MS } from './redundant-faults.ts';
import type { Site } from './site.ts';
import { waitFor } from './wait.ts';

/** A pause between two changes: an administrator looks at what came of the first. */
const PAUSE_MS = 200;

/** An administrator who makes one user group after the other, whatever fails. */
export type AdministrationLoad = {
  /** Until a change was acknowledged that was begun after this call. */
  goesOn(): Promise<void>;
};

type Change = { readonly group: string; readonly finished: Finished };

/**
 * Each change was acknowledged, or refused for the database's sake, and either in time. `prefix`: of the groups' names, each of
 * which is used once. Gives the names that were acknowledged.
 */
export async function whileAdministering(
  site: Site,
  prefix: string,
  work: (load: AdministrationLoad) => Promise<void>,
): Promise<readonly string[]> {
  const made: Change[] = [];
  let over = false;
  const ended = (async () => {
    for (let count = 1; !over; count++) {
      const group = `${prefix}-${count}`;
      const file = join(site.folder, `${group}.yaml`);
      writeFileSync(file, `kind: UserGroup\nname: ${group}\nbody: {}\n`);
      made.push({ group, finished: await site.primary.thinman(['apply', '-f', file]) });
      // Not a wait for something.
      await delay(PAUSE_MS);
    }
  })();
  const acknowledged = () => made.filter(({ finished }) => finished.code === 0);
  const goesOn = async () => {
    // The one that runs now may have been begun before.
    const from = made.length + 1;
    await waitFor(
      'a change to be acknowledged',
      () => acknowledged().some(change => made.indexOf(change) >= from) || undefined,
      2 * ADMINISTRATION_MS,
      () => made.at(-1)?.finished.stderr ?? 'none was made',
    );
  };
  try {
    await work({ goesOn });
  } finally {
    over = true;
    await ended;
  }
  for (const { group, finished } of made) {
    const { code, stderr, elapsedMs } = finished;
    assert.ok(elapsedMs < ADMINISTRATION_MS, `${group} took ${elapsedMs} ms`);
    if (code !== 0) assert.match(stderr, /database/i);
  }
  return acknowledged().map(({ group }) => group);
}
