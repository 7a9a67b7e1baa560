import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '@thinman/protocol';
import { manualClock } from '../../../../../test/support/manual-clock.ts';
import { unfit } from './start-client.ts';
import { createSupervisor } from './supervisor.ts';

const desk = (...connections: Connection[]) => ({ user: null, connections, settings: {}, signOn: () => undefined });
const web = (name: string, more: Partial<Connection> = {}) =>
  ({ name, type: 'web', url: 'https://a/', ...more }) as Connection;

test('who opens a connection for which there is no client is told at once, and not that it is being opened', () => {
  const start = () => unfit('no browser is on this device');
  const supervisor = createSupervisor({ clock: manualClock(), random: () => 0, start });
  supervisor.take(desk(web('wiki')));
  assert.equal(supervisor.connect('wiki'), 'done');
  const [wiki] = supervisor.list();
  assert.deepEqual([wiki?.state, wiki?.why], ['failed', 'no browser is on this device']);
  assert.equal(supervisor.connect('nothing'), 'unknown');
});

test('where the first has no client its fallback is opened in its place, at once as well', () => {
  const running = { stop() {}, ended: new Promise<never>(() => {}) };
  const starts: string[] = [];
  const supervisor = createSupervisor({
    ...{ clock: manualClock(), random: () => 0 },
    start({ programs }) {
      starts.push(programs[0] ?? '');
      return starts.length === 1 ? unfit('not here') : running;
    },
  });
  supervisor.take(desk(web('first', { fallback: 'second' }), web('second')));
  supervisor.connect('first');
  assert.deepEqual(
    supervisor.list().map(({ state, fallback }) => [state, fallback]),
    [
      ['replaced', 'second'],
      ['open', null],
    ],
  );
});
