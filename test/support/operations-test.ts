import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseKind } from './databases/database-server.ts';
import { onDocumentHosts, setUpByDocument } from './operations.ts';

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

  test(`docs/operations.md: a site is looked after, and restored onto an empty host, on ${kind}`, async t => {
    await onDocumentHosts(['a', 'b'], kind, async hosts => {
      const [before] = await hosts.follow('FULL');
      await hosts.follow('Looking after a site');
      await hosts.lose('a');
      const started = performance.now();
      await hosts.follow('FULL', { steps: [1, 3], on: 'a' });
      const statuses = await hosts.follow('Restore onto an empty host');
      t.diagnostic(`restored onto an empty host in ${((performance.now() - started) / 1000).toFixed(1)} s`);
      assert.deepEqual(
        statuses.map(({ role, epoch, generation }) => `${role} ${epoch}.${generation}`),
        ['primary', 'secondary'].map(role => `${role} 2.${(before?.generation ?? 0) + 1}`),
      );
    });
  });
}
