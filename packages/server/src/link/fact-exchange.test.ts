import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type FactsFrame, MAX_FRAME_BYTES, PrimaryFrame, parseJson, SecondaryFrame } from '@thinman/protocol';
import { pino } from 'pino';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { decideLockout } from '../core/lockout.ts';
import { type OpenJournal, openJournal } from '../journal/journal.ts';
import type { FailureFact, GrantFact } from '../ports.ts';
import { createFactExchange, type FactExchange, type FactPeer } from './fact-exchange.ts';

const log = pino({ level: 'silent' });
const HOUR_MS = 3_600_000;
const DEVICE = randomUUID();
const STRANGER = randomUUID();
const USER = 'alice';

/** A server with its journal and its own clocks. */
type Host = {
  readonly name: string;
  readonly clock: ManualClock;
  readonly journal: OpenJournal;
  readonly facts: FactExchange;
  fails(more?: Partial<FailureFact>): Promise<FailureFact>;
  grants(user?: string, deviceId?: string): Promise<GrantFact>;
  lock(user?: string): string;
};

describe('facts that servers share', () => {
  let dir: string;
  let hosts: Host[];
  let sent: { readonly from: string; readonly to: string; readonly frame: FactsFrame }[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'thinman-facts-'));
    [hosts, sent] = [[], []];
  });
  afterEach(() => {
    for (const { journal } of hosts) journal.close();
    rmSync(dir, { recursive: true });
  });

  function host(name: string, { aheadMs = 0 } = {}): Host {
    const clock = manualClock();
    clock.setNow(clock.nowMs() + aheadMs);
    const journal = openJournal(join(dir, `${name}.db`), { clock });
    const knows = { device: (uid: string) => uid !== STRANGER, user: (user: string) => user !== 'nobody' };
    const facts = createFactExchange({ journal, clock, knows, log, pace: { atOnce: 1_000, perSecond: 100 } });
    const made: Host = {
      ...{ name, clock, journal, facts },
      async fails(more = {}) {
        const failure = {
          ...{ loginId: randomUUID(), deviceId: DEVICE, user: USER, atMs: clock.nowMs() },
          sentHash: `${randomUUID()}${randomUUID()}`.replaceAll('-', '').slice(0, 43),
          ...more,
        };
        await journal.append({ events: [], failure });
        facts.happened({ failures: [failure], grants: [] });
        return failure;
      },
      async grants(user = USER, deviceId = DEVICE) {
        const granted = { deviceId, user, atMs: clock.nowMs() };
        await journal.append({ events: [], granted });
        facts.happened({ failures: [], grants: [granted] });
        return granted;
      },
      lock(user = USER) {
        const nowMs = clock.nowMs();
        return decideLockout({
          ...{ nowMs, user, deviceId: DEVICE, askedNames: [], unlockedAtMs: undefined },
          onDevice: journal.failures({ sinceMs: nowMs - 24 * HOUR_MS, deviceId: DEVICE }),
          ofUser: journal.failures({ sinceMs: nowMs - HOUR_MS, user }),
          lastGrantMs: journal.lastGrantMs(DEVICE, user),
        }).kind;
      },
    };
    hosts.push(made);
    return made;
  }

  /** A link between the two: gives how to cut it. Each frame must fit its schema, and one frame. */
  function link(primary: Host, secondary: Host): () => void {
    const ends: { atPrimary: FactPeer | undefined; atSecondary: FactPeer | undefined } = {
      ...{ atPrimary: undefined, atSecondary: undefined },
    };
    const wire = (from: Host, to: Host, end: () => FactPeer | undefined) => async (frame: FactsFrame) => {
      const text = JSON.stringify(frame);
      for (const schema of [PrimaryFrame, SecondaryFrame]) assert.ok(parseJson(schema, text, MAX_FRAME_BYTES).ok);
      sent.push({ from: from.name, to: to.name, frame });
      await new Promise(setImmediate);
      await end()?.take(JSON.parse(text) as FactsFrame);
    };
    ends.atSecondary = secondary.facts.meet(
      primary.name,
      wire(secondary, primary, () => ends.atPrimary),
      'primary',
    );
    ends.atPrimary = primary.facts.meet(
      secondary.name,
      wire(primary, secondary, () => ends.atSecondary),
      'secondary',
    );
    return () => {
      ends.atPrimary?.leave();
      ends.atSecondary?.leave();
      ends.atPrimary = undefined;
      ends.atSecondary = undefined;
    };
  }

  async function settle() {
    for (let quiet = 0, before = -1; quiet < 5; before = sent.length) {
      await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
      quiet = before === sent.length ? quiet + 1 : 0;
    }
  }
  const known = ({ journal }: Host) => journal.failures({ sinceMs: 0 }).map(({ loginId }) => loginId);

  it('lock on both after three wrong passwords here and two there', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    link(primary, secondary);
    for (let i = 0; i < 3; i++) await primary.fails();
    await secondary.fails();
    await settle();
    assert.deepEqual([primary.lock(), secondary.lock()], ['open', 'open']);
    await secondary.fails();
    await settle();
    assert.deepEqual([primary.lock(), secondary.lock()], ['account_locked', 'account_locked']);
  });

  it('are told when the link comes up, and count once however often it does', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    for (let i = 0; i < 3; i++) await primary.fails();
    for (let i = 0; i < 2; i++) await secondary.fails();
    for (let i = 0; i < 4; i++) {
      const cut = link(primary, secondary);
      await settle();
      cut();
    }
    assert.deepEqual(known(primary).sort(), known(secondary).sort());
    assert.equal(known(primary).length, 5);
    assert.deepEqual([primary.lock(), secondary.lock()], ['account_locked', 'account_locked']);
  });

  it('are not told back to who told them', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    link(primary, secondary)();
    const cut = link(primary, secondary);
    await secondary.fails();
    await settle();
    cut();
    sent = [];
    link(primary, secondary);
    await settle();
    assert.deepEqual(
      sent.map(({ from }) => from),
      ['secondary'],
    );
  });

  it('reach the other Secondaries through the Primary, at once and when they come later', async () => {
    const [primary, first, second, late] = [host('primary'), host('first'), host('second'), host('late')];
    link(primary, first);
    link(primary, second);
    const fact = await first.fails();
    await settle();
    link(primary, late);
    await settle();
    for (const each of [primary, second, late]) assert.deepEqual(known(each), [fact.loginId], each.name);
    assert.equal(sent.filter(({ to }) => to === 'first').length, 0);
  });

  it('carry grants: a device on which the user was granted is exempt on every server', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    link(primary, secondary);
    for (let i = 0; i < 50; i++) await primary.fails({ deviceId: randomUUID() });
    await settle();
    assert.deepEqual([primary.lock(), secondary.lock()], ['account_locked', 'account_locked']);
    await secondary.grants();
    await settle();
    assert.deepEqual([primary.lock(), secondary.lock()], ['open', 'open']);
  });

  it('carry the ends of sessions: at once, when the link comes up, and through the Primary', async () => {
    const [primary, secondary, late] = [host('primary'), host('secondary', { aheadMs: HOUR_MS }), host('late')];
    const [before, after] = [randomUUID(), randomUUID()];
    const ends = async ({ journal, facts, clock }: Host, loginId: string) => {
      const ended = [{ loginId, atMs: clock.nowMs() }];
      await journal.append({ events: [], ended });
      facts.happened({ failures: [], grants: [], ended });
    };
    await ends(secondary, before);
    link(primary, secondary);
    await settle();
    assert.ok(primary.journal.isEnded(before));
    await ends(primary, after);
    link(primary, late);
    await settle();
    assert.ok(secondary.journal.isEnded(after));
    assert.ok(late.journal.isEnded(before) && late.journal.isEnded(after));
  });

  it('are no news when a grant is told again over a slower link', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    await secondary.grants();
    link(primary, secondary)();
    const cut = link(primary, secondary);
    await settle();
    cut();
    const first = primary.journal.lastGrantMs(DEVICE, USER);
    await primary.clock.advance(3_000);
    link(primary, secondary);
    await settle();
    assert.equal(primary.journal.lastGrantMs(DEVICE, USER), first);
  });

  it('are ages: the clocks of two servers may differ by years', async () => {
    const [primary, secondary] = [host('primary'), host('secondary', { aheadMs: -20_000 * HOUR_MS })];
    const fact = await secondary.fails();
    await secondary.clock.advance(60_000);
    link(primary, secondary);
    await settle();
    const [heard] = primary.journal.failures({ sinceMs: 0 });
    assert.equal(heard?.loginId, fact.loginId);
    assert.equal(primary.clock.nowMs() - (heard?.atMs ?? 0), 60_000);
  });

  it('are those of the window: a day for failures, a week for grants', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    await primary.fails();
    await primary.grants('bob');
    await primary.clock.advance(25 * HOUR_MS);
    const fresh = await primary.fails();
    link(primary, secondary);
    await settle();
    assert.deepEqual(known(secondary), [fresh.loginId]);
    assert.ok(secondary.journal.lastGrantMs(DEVICE, 'bob') !== undefined);
  });

  it('come in frames that fit, however many and however long their names', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    const user = '😀'.repeat(128);
    for (let i = 0; i < 30; i++) {
      await Promise.all(Array.from({ length: 50 }, () => primary.fails({ user, deviceId: randomUUID() })));
    }
    link(primary, secondary);
    await settle();
    assert.equal(known(secondary).length, 1_500);
  });

  it('go together when they come together', async () => {
    const [primary, secondary] = [host('primary'), host('secondary')];
    link(primary, secondary);
    await settle();
    await Promise.all(Array.from({ length: 20 }, () => primary.fails()));
    await settle();
    assert.ok(sent.length <= 2, String(sent.length));
  });

  describe('of a Secondary that cannot be trusted', () => {
    const failure = (more: object = {}) => {
      const sentHash = `${randomUUID()}${randomUUID()}`.replaceAll('-', '').slice(0, 43);
      return { loginId: randomUUID(), deviceId: DEVICE, user: USER, sentHash, ageMs: 0, ...more };
    };

    it('count only for devices and users that the Primary has heard of', async () => {
      const primary = host('primary');
      const peer = primary.facts.meet('bad', async () => {}, 'secondary');
      const grant = { deviceId: DEVICE, user: USER, ageMs: 5 };
      await peer.take({
        type: 'facts',
        failures: [failure({ deviceId: STRANGER }), failure({ user: 'nobody' })],
        grants: [{ ...grant, deviceId: STRANGER }, { ...grant, user: 'nobody' }, grant],
      });
      assert.equal(known(primary).length, 1, 'a name that nobody has is typed as well');
      assert.equal(primary.journal.lastGrantMs(STRANGER, USER), undefined);
      assert.equal(primary.journal.lastGrantMs(DEVICE, 'nobody'), undefined);
      assert.ok(primary.journal.lastGrantMs(DEVICE, USER) !== undefined);
    });

    it('are taken no faster than logins can make them', async () => {
      const primary = host('primary');
      const flood = async (frames: number) => {
        const peer = primary.facts.meet('bad', async () => {}, 'secondary');
        for (let i = 0; i < frames; i++) {
          await peer.take({ type: 'facts', failures: Array.from({ length: 500 }, () => failure()), grants: [] });
        }
        peer.leave();
      };
      await flood(3);
      assert.equal(known(primary).length, 1_000);
      await flood(1);
      assert.equal(known(primary).length, 1_000, 'a new link is no new start');
      await primary.clock.advance(5_000);
      await flood(2);
      assert.equal(known(primary).length, 1_500);
    });

    it('cannot come from the future, nor from before the window', () => {
      const frame = (ageMs: number) => JSON.stringify({ type: 'facts', failures: [failure({ ageMs })], grants: [] });
      for (const ageMs of [-1, 25 * HOUR_MS, 0.5]) assert.ok(!parseJson(SecondaryFrame, frame(ageMs), 10_000).ok);
      assert.ok(parseJson(SecondaryFrame, frame(0), 10_000).ok);
    });
  });
});
