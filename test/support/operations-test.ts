import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatabaseKind } from './databases/database-server.ts';
import { type OperatedServer, onDocumentHosts } from './operations.ts';

/** What docs/operations.md says of setting up, losing and restoring, on this kind of database. */
export function operationsTest(kind: DatabaseKind): void {
  test(`docs/operations.md: the commands of HALF make a working pair on ${kind}`, async () => {
    await onDocumentHosts(['a', 'b', 'c'], kind, async hosts => {
      await hosts.follow('Install');
      expectAligned(await hosts.follow('HALF'));
    });
  });

  // One life for all of it: a set-up is what takes long.
  test(`docs/operations.md: FULL is set up, looked after, restored onto an empty host, and promoted, on ${kind}`, async t => {
    await onDocumentHosts(['a', 'b'], kind, async hosts => {
      await hosts.follow('Install');
      const [before] = expectAligned(await hosts.follow('FULL'));
      await hosts.follow('As a service');
      await hosts.follow('Looking after a site');

      await hosts.lose('a');
      const started = performance.now();
      await hosts.follow('Install', { on: 'a' });
      await hosts.follow('FULL', { steps: [1, 1] });
      await hosts.follow('FULL', { steps: [2, 3], on: 'a' });
      const [restored] = expectAligned(await hosts.follow('Restore onto an empty host'));
      t.diagnostic(`restored onto an empty host in ${((performance.now() - started) / 1000).toFixed(1)} s`);
      assert.deepEqual([restored?.epoch, restored?.generation], [2, (before?.generation ?? 0) + 1]);
      await hosts.follow('As a service', { on: 'a' });

      const gone = "The Primary's host is gone for good";
      await hosts.crash('a');
      await hosts.follow(gone, { steps: [1, 1] });
      await hosts.follow(gone, { steps: [3, 3] });
      await hosts.follow('The Slave anew', { exchanged: true });
      await hosts.follow('FULL', { steps: [4, 4], exchanged: true });
      await hosts.follow('FULL', { steps: [6, 6], exchanged: true });
      const [promoted] = expectAligned(await hosts.follow('FULL', { steps: [7, 7], exchanged: true }));
      assert.equal(promoted?.epoch, 3);
      await hosts.follow('Looking after a site', { exchanged: true });
    });
  });
}

/** The Primary is looked at first. */
function expectAligned(statuses: readonly OperatedServer[]): readonly OperatedServer[] {
  assert.deepEqual(
    statuses.map(({ role, state }) => `${role} ${state}`),
    ['primary serving', 'secondary serving'],
  );
  const [generation, other] = statuses.map(status => status.generation);
  assert.equal(generation, other);
  return statuses;
}
