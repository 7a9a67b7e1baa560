import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import { MAX_FRAME_BYTES, PrimaryFrame, parseJson, SecondaryFrame, type SessionsFrame } from '@thinman/protocol';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { createSessionBook, type SessionBook } from '../device-plane/session-book.ts';
import { createSessionExchange, type SessionExchange, type SessionPeer } from './session-exchange.ts';

const MINUTE_MS = 60_000;
const STRANGER = randomUUID();

describe('who is where, told between servers', () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = manualClock();
  });

  type Host = {
    readonly name: string;
    readonly book: SessionBook;
    readonly exchange: SessionExchange;
    readonly connected: Set<string>;
    readonly ended: Set<string>;
    unseen: readonly string[];
    works(user: string, device: string, deviceId?: string): string;
    knows(): readonly string[];
  };

  function host(name: string): Host {
    const [connected, ended] = [new Set<string>(), new Set<string>()];
    const isConnected = (id: string) => connected.has(id);
    const book = createSessionBook({ name, clock, isConnected, isEnded: id => ended.has(id) });
    const exchange = createSessionExchange({
      ...{ name, clock, book: () => book, knowsDevice: uid => uid !== STRANGER, unseenHere: () => made.unseen },
    });
    const made: Host = {
      ...{ name, book, exchange, connected, ended, unseen: [] },
      works(user, device, deviceId = randomUUID()) {
        connected.add(deviceId);
        const more = { userId: randomUUID(), user, loginId: randomUUID(), mode: 'online' } as const;
        book.opened({ deviceId, device, ...more, sinceMs: clock.nowMs() }, 'device');
        return deviceId;
      },
      knows: () =>
        book
          .all()
          .map(({ user, device, server }) => `${user} on ${device} by ${server}`)
          .toSorted(),
    };
    return made;
  }

  function link(primary: Host, secondary: Host): () => void {
    const ends: { atPrimary?: SessionPeer; atSecondary?: SessionPeer } = {};
    const wire = (to: () => SessionPeer | undefined) => (frame: SessionsFrame) => {
      const text = JSON.stringify(frame);
      for (const schema of [PrimaryFrame, SecondaryFrame]) assert.ok(parseJson(schema, text, MAX_FRAME_BYTES).ok);
      queueMicrotask(() => to()?.take(JSON.parse(text)));
    };
    ends.atPrimary = primary.exchange.meet(
      secondary.name,
      wire(() => ends.atSecondary),
      'secondary',
    );
    ends.atSecondary = secondary.exchange.meet(
      primary.name,
      wire(() => ends.atPrimary),
      'primary',
    );
    return () => {
      ends.atPrimary?.leave();
      ends.atSecondary?.leave();
      delete ends.atPrimary;
      delete ends.atSecondary;
    };
  }
  const settle = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)));

  it('is known on both: what was before the link came up, and what changes', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    primary.works('alice', 'tc-1');
    const device = secondary.works('bob', 'tc-2');
    link(primary, secondary);
    await settle();
    const both = ['alice on tc-1 by primary', 'bob on tc-2 by secondary'];
    assert.deepEqual([primary.knows(), secondary.knows()], [both, both]);
    secondary.book.closed(device);
    primary.works('carol', 'tc-3');
    await settle();
    const now = ['alice on tc-1 by primary', 'carol on tc-3 by primary'];
    assert.deepEqual([primary.knows(), secondary.knows()], [now, now]);
  });

  it('reaches other Secondaries through the Primary, with who is not seen', async () => {
    const [primary, first, second] = [host('primary'), host('first'), host('second')];
    link(primary, second);
    const cut = link(primary, first);
    first.works('alice', 'tc-1');
    await settle();
    assert.deepEqual(second.knows(), ['alice on tc-1 by first']);
    primary.unseen = ['first'];
    cut();
    await settle();
    assert.deepEqual(second.exchange.unseen(), ['first']);
  });

  it('is kept of a server that is gone for as long as its tokens may live', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    const cut = link(primary, secondary);
    secondary.works('bob', 'tc-2');
    await settle();
    await clock.advance(60 * MINUTE_MS);
    assert.equal(primary.knows().length, 1, 'who is seen speaks for it');
    cut();
    await clock.advance(15 * MINUTE_MS);
    assert.equal(primary.knows().length, 1);
    await clock.advance(2 * MINUTE_MS);
    assert.deepEqual(primary.knows(), []);
  });

  it('goes by the server that the device is connected to, whatever another one still believes', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    const device = secondary.works('bob', 'tc-2');
    secondary.connected.delete(device);
    primary.works('bob', 'tc-2', device);
    link(primary, secondary);
    await settle();
    assert.deepEqual(primary.knows(), ['bob on tc-2 by primary']);
  });

  it('a Secondary speaks for itself, and of devices of the site', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    const end = primary.exchange.meet(secondary.name, () => {}, 'secondary');
    const said = {
      device: 'tc',
      userId: randomUUID(),
      user: 'eve',
      loginId: randomUUID(),
      mode: 'online',
      ageMs: 0,
    } as const;
    const opened = [STRANGER, randomUUID()].map(deviceId => ({ ...said, deviceId, server: 'primary' }));
    end.take({ type: 'sessions', whole: true, opened, closed: [], unseen: [] });
    assert.deepEqual(primary.knows(), ['eve on tc by secondary']);
  });

  it('knows nobody in a session that has been ended', () => {
    const primary = host('primary');
    primary.works('alice', 'tc-1');
    const [session] = primary.book.all();
    primary.ended.add(session?.loginId ?? '');
    assert.deepEqual(primary.knows(), []);
  });
});
