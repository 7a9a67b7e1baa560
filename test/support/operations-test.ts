import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseKind } from './databases/database-server.ts';
import { setUpByDocument } from './operations.ts';

/** Both set-ups of docs/operations.md on this kind of database. */
export function operationsTest(kind: DatabaseKind): void {
  for (const title of ['HALF', 'FULL'] as const) {
    test(`docs/operations.md: the commands of ${title} make a working pair on ${kind}`, async () => {
      const statuses = await setUpByDocument(title, kind);
      assert.deepEqual(
        statuses.map(({ role, state }) => `${role} ${state}`),
        ['primary serving', 'secondary serving'],
      );
      const [generation, other] = statuses.map(status => status.generation);
      assert.equal(generation, other);
    });
  }
}
