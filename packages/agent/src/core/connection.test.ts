import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ClientEnd,
  type ConnectionState,
  type ConnectionStep,
  clientEnded,
  closed,
  MAX_WAIT_MS,
  opened,
  STEADY_MS,
  timePassed,
} from './connection.ts';

const CLOSED: ConnectionState = { kind: 'closed' };
const DROPPED: ClientEnd = { kind: 'failed', why: 'no route' };
const open = (since: number, failures = 0): ConnectionState => ({ kind: 'open', since, failures });
const MIDDLE = 0.5;

test('a session that dropped is opened again, later each time, and at once a little after a long one', () => {
  const rules = { reconnect: 'on-failure' } as const;
  let state = opened(CLOSED, 0).state;
  const waits: number[] = [];
  let now = 0;
  for (let times = 0; times < 9; times++) {
    const step = clientEnded(state, DROPPED, rules, now, MIDDLE);
    assert.ok(step.state.kind === 'waiting');
    waits.push(step.state.until - now);
    now = step.state.until;
    assert.equal(timePassed(step.state, now - 1).effect, 'none');
    const again = timePassed(step.state, now);
    assert.equal(again.effect, 'start');
    state = again.state;
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, MAX_WAIT_MS, MAX_WAIT_MS, MAX_WAIT_MS]);
  const step = clientEnded(state, DROPPED, rules, now + STEADY_MS, MIDDLE);
  assert.ok(step.state.kind === 'waiting');
  assert.equal(step.state.until - now - STEADY_MS, 1_000);
});

test('what the person closed stays closed, unless it is to be there always', () => {
  assert.deepEqual(clientEnded(open(0), { kind: 'ended' }, { reconnect: 'on-failure' }, 5, MIDDLE).state, CLOSED);
  assert.equal(clientEnded(open(0), { kind: 'ended' }, { reconnect: 'always' }, 5, MIDDLE).state.kind, 'waiting');
});

test('never is never, and a refused password is not sent again: it would lock the account', () => {
  assert.deepEqual(clientEnded(open(0), DROPPED, {}, 5, MIDDLE).state, { kind: 'failed', why: 'no route' });
  const refused: ClientEnd = { kind: 'refused', why: 'wrong password' };
  assert.deepEqual(clientEnded(open(0), refused, { reconnect: 'always' }, 5, MIDDLE).state, {
    kind: 'failed',
    why: 'wrong password',
  });
});

test('the fallback takes over when a connection cannot be opened: at once, or after three tries where it is tried again', () => {
  const never = clientEnded(open(0), DROPPED, { fallback: 'other' }, 5, MIDDLE);
  assert.deepEqual(never, { state: { kind: 'replaced', by: 'other', why: 'no route' }, effect: 'fallback' });
  const rules = { fallback: 'other', reconnect: 'always' } as const;
  assert.equal(clientEnded(open(0, 1), DROPPED, rules, 5, MIDDLE).state.kind, 'waiting');
  assert.equal(clientEnded(open(0, 2), DROPPED, rules, 5, MIDDLE).effect, 'fallback');
  assert.equal(clientEnded(open(0), { kind: 'unfit', why: 'no client' }, rules, 0, MIDDLE).effect, 'fallback');
});

test('whatever happens: one client at a time, none after a close, and each one that is waited for is started', () => {
  type Action = 'open' | 'close' | 'ended' | 'failed' | 'refused' | 'time';
  const actions = fc.array(fc.constantFrom<Action>('open', 'close', 'ended', 'failed', 'refused', 'time'), {
    maxLength: 40,
  });
  const reconnects = fc.constantFrom('never' as const, 'on-failure' as const, 'always' as const);
  fc.assert(
    fc.property(
      actions,
      reconnects,
      fc.option(fc.constant('other'), { nil: undefined }),
      (history, reconnect, fallback) => {
        const rules = { reconnect, ...(fallback !== undefined && { fallback }) };
        let state: ConnectionState = CLOSED;
        let clients = 0;
        let now = 0;
        const take = (step: ConnectionStep) => {
          state = step.state;
          if (step.effect === 'start') clients++;
          assert.ok(clients <= 1);
          assert.equal(clients === 1, state.kind === 'open' || state.kind === 'closing');
        };
        for (const action of history) {
          now += 10_000;
          if (action === 'open') take(opened(state, now));
          else if (action === 'close') take(closed(state));
          else if (action === 'time') take(timePassed(state, now));
          else if (clients === 1) {
            clients--;
            take(
              clientEnded(
                state,
                action === 'ended' ? { kind: 'ended' } : { kind: action, why: '' },
                rules,
                now,
                MIDDLE,
              ),
            );
          }
        }
        take(closed(state));
        if (clients === 1) {
          clients--;
          take(clientEnded(state, DROPPED, rules, now, MIDDLE));
        }
        assert.equal(state.kind, 'closed');
      },
    ),
  );
});

test('one that ends as it should, and is always opened, is opened ever more rarely where it never lasts', () => {
  const rules = { reconnect: 'always' } as const;
  let state = opened(CLOSED, 0).state;
  let now = 0;
  const end = (afterMs: number) => {
    now += afterMs;
    const step = clientEnded(state, { kind: 'ended' }, rules, now, MIDDLE);
    assert.ok(step.state.kind === 'waiting');
    const waitMs = step.state.until - now;
    now = step.state.until;
    state = timePassed(step.state, now).state;
    return waitMs;
  };
  assert.deepEqual(
    Array.from({ length: 8 }, () => end(100)),
    [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, MAX_WAIT_MS, MAX_WAIT_MS],
  );
  assert.equal(end(STEADY_MS), 1_000, 'at once a little after a long one');
  assert.equal(clientEnded(state, DROPPED, { ...rules, fallback: 'other' }, now, MIDDLE).state.kind, 'waiting');
});
