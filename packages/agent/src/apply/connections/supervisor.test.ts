import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '@thinman/protocol';
import { manualClock } from '../../../../../test/support/manual-clock.ts';
import type { ClientEnd } from '../../core/connection.ts';
import { unfit } from './start-client.ts';
import type { Desk } from './supervisor.ts';
import { createSupervisor } from './supervisor.ts';

const desk = (user: string | null, autostart = true): Desk => ({
  user: user === null ? null : { id: user, name: user },
  connections: [{ name: 'ward', type: 'vnc', host: 'h', autostart }],
  settings: {},
  signOn: () => undefined,
});

/** Clients that end when they are told to, and then when `end` is called. */
function clients() {
  const sessions: string[] = [];
  const over: string[] = [];
  const ends: ((end: ClientEnd) => void)[] = [];
  let marks = 0;
  const supervisor = createSupervisor({
    ...{ clock: manualClock(), random: () => 0.5, newMark: () => `session-${++marks}` },
    start(_launch, _password, session) {
      sessions.push(session);
      return { stop() {}, ended: new Promise(resolve => ends.push(resolve)) };
    },
    onSessionOver: mark => over.push(mark),
  });
  const end = async () => {
    for (const resolve of ends.splice(0)) resolve({ kind: 'ended' });
    await new Promise(resolve => setImmediate(resolve));
  };
  return { supervisor, sessions, over, end };
}

test('what a session has started is looked for when the last of its clients has ended, and not that of the next', async () => {
  const { supervisor, sessions, over, end } = clients();
  supervisor.take(desk('alice'));
  supervisor.take(desk('alice', false));
  assert.deepEqual(sessions, ['session-1']);
  supervisor.take(desk(null, false));
  supervisor.connect('ward');
  assert.deepEqual(sessions, ['session-1', 'session-2'], 'that of nobody is another one');
  await end();
  assert.deepEqual(over, ['session-1']);
  const stopped = supervisor.stop();
  await end();
  await stopped;
  assert.deepEqual(over, ['session-1', 'session-2']);
});

test('a session that has started nothing has left nothing', async () => {
  const { supervisor, over, end } = clients();
  supervisor.take(desk('alice', false));
  supervisor.take(desk('bob', false));
  await end();
  assert.deepEqual(over, []);
});

const PARTS = { clock: manualClock(), random: () => 0, newMark: () => 'mark', onSessionOver() {} };
const shared = (...connections: Connection[]): Desk => ({
  user: null,
  connections,
  settings: {},
  signOn: () => undefined,
});
const web = (name: string, more: Partial<Connection> = {}) =>
  ({ name, type: 'web', url: 'https://a/', ...more }) as Connection;

test('who opens a connection for which there is no client is told at once, and not that it is being opened', () => {
  const start = () => unfit('no browser is on this device');
  const supervisor = createSupervisor({ ...PARTS, start });
  supervisor.take(shared(web('wiki')));
  assert.equal(supervisor.connect('wiki'), 'done');
  const [wiki] = supervisor.list();
  assert.deepEqual([wiki?.state, wiki?.why], ['failed', 'no browser is on this device']);
  assert.equal(supervisor.connect('nothing'), 'unknown');
});

test('where the first has no client its fallback is opened in its place, at once as well', () => {
  const running = { stop() {}, ended: new Promise<never>(() => {}) };
  const starts: string[] = [];
  const supervisor = createSupervisor({
    ...PARTS,
    start({ programs }) {
      starts.push(programs[0] ?? '');
      return starts.length === 1 ? unfit('not here') : running;
    },
  });
  supervisor.take(shared(web('first', { fallback: 'second' }), web('second')));
  supervisor.connect('first');
  assert.deepEqual(
    supervisor.list().map(({ state, fallback }) => [state, fallback]),
    [
      ['replaced', 'second'],
      ['open', null],
    ],
  );
});
