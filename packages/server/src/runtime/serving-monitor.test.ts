import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Version } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { createServingMonitor, type MonitoredFacts } from './serving-monitor.ts';

const at = (generation: number): Version => ({ epoch: 1, generation });
const limits = { databaseLostAfterMs: 3_000, lagLimitMs: 30_000 };

/** A clock that stands still until it is moved; timers run on the way. */
function fakeClock() {
  let nowMs = 0;
  const timers = new Map<object, { readonly dueMs: number; readonly action: () => void }>();
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, action) {
      const key = {};
      timers.set(key, { dueMs: nowMs + delayMs, action });
      return () => timers.delete(key);
    },
  };
  const pass = (ms: number) => {
    const end = nowMs + ms;
    for (;;) {
      const next = [...timers].filter(([, { dueMs }]) => dueMs <= end).sort(([, a], [, b]) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      timers.delete(next[0]);
      nowMs = next[1].dueMs;
      next[1].action();
    }
    nowMs = end;
  };
  return { clock, pass };
}

function monitored(more: { readonly heard?: Version; readonly has?: Version } = {}) {
  const { clock, pass } = fakeClock();
  let facts: MonitoredFacts = {
    removed: false,
    replica: 'ready',
    canRecordEvents: true,
    databaseAnsweredAtMs: 0,
    superseded: false,
    contested: false,
    forked: false,
    otherSite: false,
    replicaFailed: false,
  };
  let answers = true;
  const monitor = createServingMonitor({
    facts: () => (answers ? { ...facts, databaseAnsweredAtMs: clock.monotonicMs() } : facts),
    limits: () => limits,
    clock,
    restored: { heard: more.heard, has: more.has ?? at(1) },
  });
  const changes: string[] = [];
  monitor.onChange((now, before) => changes.push(`${before.state} > ${now.state} (${now.why})`));
  return {
    ...{ monitor, changes, pass },
    databaseGoes() {
      facts = { ...facts, databaseAnsweredAtMs: clock.monotonicMs() };
      answers = false;
    },
    databaseComes() {
      answers = true;
    },
  };
}

describe('the serving monitor', () => {
  it('tells within a quarter of a second that the database is lost, and that it is back', () => {
    const { changes, pass, databaseGoes, databaseComes } = monitored();
    databaseGoes();
    pass(3_000);
    assert.deepEqual(changes, []);
    pass(250);
    assert.deepEqual(changes, ['serving > degraded (database_lost)']);
    databaseComes();
    pass(250);
    assert.deepEqual(changes.slice(1), ['degraded > serving (null)']);
  });

  it('counts lag from when it first heard of what it lacks, and stays degraded until it has it', () => {
    const { monitor, changes, pass } = monitored();
    monitor.heard(at(2), at(1));
    pass(20_000);
    monitor.heard(at(3), at(1));
    assert.equal(monitor.lagMs(), 20_000);
    pass(10_250);
    assert.deepEqual(changes, ['serving > degraded (lagging)']);
    monitor.reached(at(2));
    pass(3_600_000);
    assert.equal(monitor.current().why, 'lagging', 'the Primary may be long dead');
    monitor.reached(at(3));
    pass(250);
    assert.equal(monitor.current().state, 'serving');
    assert.equal(monitor.lagMs(), 0);
  });

  it('does not forget over a restart what it lacked', () => {
    assert.equal(monitored({ heard: at(5), has: at(4) }).monitor.current().why, 'lagging');
    assert.equal(monitored({ heard: at(5), has: at(5) }).monitor.current().state, 'serving');
  });

  it('has no way back from a planned stop', () => {
    const { monitor, changes, pass } = monitored();
    monitor.drain();
    pass(10_000);
    assert.deepEqual(changes, ['serving > draining (draining)']);
  });
});
