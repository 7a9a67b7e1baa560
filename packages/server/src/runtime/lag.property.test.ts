import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOlder, MAX_MISSING_NAMED, type Missing, NO_VERSION, type Version } from '@thinman/protocol';
import fc from 'fast-check';
import { pino } from 'pino';
import type { Clock, Heard } from '../ports.ts';
import { createHeardOf, type HeardOf } from './heard-of.ts';
import { createServingMonitor, type ServingMonitor } from './serving-monitor.ts';

const LIMITS = { databaseLostAfterMs: 3_000, lagLimitMs: 30_000 };
/** Versions heard of within this time are one: lag may read that much longer (`core/lag.ts`). */
const GRAIN_MS = 1_000;
/** The monitor looks four times a second. */
const LOOK_MS = 250;

/** What happens to a pair: a Primary that commits, replication, the link between them, time, and ends of processes. */
type PlainStep = { readonly kind: 'status' | 'cut' | 'connect' | 'restart' | 'primaryDies' | 'primaryReturns' };
type Step =
  | { readonly kind: 'commit'; readonly names: readonly number[] }
  | { readonly kind: 'replicate'; readonly commits: number }
  | PlainStep
  | { readonly kind: 'pass'; readonly ms: number };

const one = (...kinds: PlainStep['kind'][]) => fc.constantFrom(...kinds).map(kind => ({ kind }));
const steps = (names: number) =>
  fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.array(fc.nat(names), { maxLength: 3 }).map(some => ({ kind: 'commit' as const, names: some })),
      },
      { weight: 3, arbitrary: fc.nat(4).map(commits => ({ kind: 'replicate' as const, commits })) },
      { weight: 6, arbitrary: one('status', 'cut', 'connect', 'restart', 'primaryDies', 'primaryReturns') },
      {
        weight: 3,
        arbitrary: fc.constantFrom(10, 600, 5_000, 29_000, 40_000).map(ms => ({ kind: 'pass' as const, ms })),
      },
    ),
    { maxLength: 60 },
  );

/** The pair: the real parts of the Secondary, and a Primary that tells what `link-server.ts` tells. */
function pair() {
  let nowMs = 0;
  let timers: { readonly dueMs: number; readonly action: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, action) {
      const timer = { dueMs: nowMs + delayMs, action };
      timers.push(timer);
      return () => {
        timers = timers.filter(other => other !== timer);
      };
    },
  };
  /** Names that each commit touched; its generation is its place, from 1. */
  const commits: (readonly number[])[] = [];
  let has = 0;
  let disk: string | undefined;
  let [primaryLives, linked] = [true, true];
  let told: Version | undefined;
  let heardOf: HeardOf;
  let monitor: ServingMonitor;
  const at = (generation: number): Version => ({ epoch: 1, generation });

  /** The plain model: when each generation was first heard of, by this process; `before` a restart counts as too long ago. */
  let heardAt = new Map<number, number>();
  let heardMax = 0;
  let lastTold = 0;

  const touchedSince = (since: number): Missing => {
    const newest = new Map<number, number>();
    for (const [index, names] of commits.entries()) for (const name of names) newest.set(name, index + 1);
    const all = [...newest].filter(([, generation]) => generation > since).sort(([, a], [, b]) => b - a);
    const objects = all.map(([name, generation]) => ({ kind: 'User', name: `u${name}`, generation }));
    return { count: objects.length, objects: objects.slice(0, MAX_MISSING_NAMED) };
  };

  const tellCommitted = () => {
    if (!primaryLives || !linked || told === undefined) return;
    const version = at(commits.length);
    heardOf.hear(version, touchedSince(told.generation), at(has));
    monitor.heard(version, at(has));
    lastTold = commits.length;
    if (commits.length > heardMax) {
      heardMax = commits.length;
      heardAt.set(heardMax, nowMs);
    }
  };
  const tellStatus = () => {
    if (!primaryLives || !linked) return;
    const before = told;
    told = at(has);
    const movedOn = before !== undefined && isOlder(before, told) && has < commits.length;
    if (before === undefined || movedOn) tellCommitted();
  };
  const cut = () => {
    linked = false;
    told = undefined;
  };
  const startSecondary = () => {
    const journal = {
      heard: () => (disk === undefined ? undefined : (JSON.parse(disk) as Heard)),
      hear: (heard: Heard) => {
        disk = JSON.stringify(heard);
      },
    };
    heardOf = createHeardOf(journal, pino({ level: 'silent' }));
    timers = [];
    monitor = createServingMonitor({
      facts: () => ({
        removed: false,
        replica: 'ready',
        canRecordEvents: true,
        databaseAnsweredAtMs: nowMs,
        superseded: false,
        contested: false,
        forked: false,
        otherSite: false,
        replicaFailed: false,
      }),
      limits: () => LIMITS,
      clock,
      restored: { heard: heardOf.version(), has: at(has) },
    });
  };
  const pass = (ms: number) => {
    const endMs = nowMs + ms;
    for (;;) {
      const [next] = timers.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      timers = timers.filter(timer => timer !== next);
      nowMs = next.dueMs;
      next.action();
    }
    nowMs = endMs;
  };
  startSecondary();
  tellStatus();

  return {
    do(step: Step) {
      switch (step.kind) {
        case 'commit':
          if (!primaryLives) return;
          commits.push(step.names);
          return tellCommitted();
        case 'replicate':
          has = Math.min(commits.length, has + step.commits);
          return monitor.reached(at(has));
        case 'status':
          return tellStatus();
        case 'cut':
          return cut();
        case 'connect':
          if (linked) return;
          linked = true;
          return tellStatus();
        case 'primaryDies':
          primaryLives = false;
          return cut();
        case 'primaryReturns':
          primaryLives = true;
          return;
        case 'restart': {
          monitor.stop();
          cut();
          const tooLongAgo = nowMs - LIMITS.lagLimitMs - 1;
          heardAt = new Map(heardMax > has ? [[heardMax, tooLongAgo]] : []);
          return startSecondary();
        }
        case 'pass':
          return pass(step.ms);
      }
    },
    check() {
      const { state, why } = monitor.look();
      const since = [...heardAt].filter(([generation]) => generation > has).map(([, sinceMs]) => sinceMs);
      const lacks = heardMax > has;
      assert.equal(monitor.lagMs() > 0, lacks, 'lag');
      const lagMs = lacks ? nowMs - Math.min(...since) : 0;
      if (lagMs > LIMITS.lagLimitMs) assert.equal(why, 'lagging');
      if (lagMs <= LIMITS.lagLimitMs - GRAIN_MS) assert.equal(state, 'serving');
      const missing = heardOf.missing(at(has));
      const newest = new Map<number, number>();
      for (const [index, names] of commits.slice(0, lastTold).entries())
        for (const name of names) newest.set(name, index + 1);
      const really = [...newest].filter(([, generation]) => generation > has && lacks);
      return { missing, really: really.map(([name, generation]) => `u${name}@${generation}`).sort() };
    },
    /** The Secondary tells where it stands, until the Primary has no more to say. */
    settle() {
      linked = true;
      primaryLives = true;
      tellStatus();
      tellStatus();
    },
    stop: () => monitor.stop(),
    looks: () => pass(LOOK_MS),
  };
}

const named = ({ objects }: Missing) => objects.map(({ name, generation }) => `${name}@${generation}`).sort();

describe('a Secondary, whatever happens to it and its Primary', () => {
  it('knows exactly what it has heard of and lacks, by name, over restarts, and is degraded from the limit on until it has it', () => {
    fc.assert(
      fc.property(steps(12), all => {
        const site = pair();
        for (const step of all) {
          site.do(step);
          const { missing, really } = site.check();
          assert.deepEqual(named(missing), really);
          assert.equal(missing.count, really.length);
        }
        site.stop();
      }),
      { numRuns: 400 },
    );
  });

  it('counts all that is missing also where not all of it can be named', () => {
    const many = fc.array(fc.array(fc.nat(5_000), { maxLength: 90 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(many, steps(5_000), fc.nat(6), (commits, all, arrived) => {
        const site = pair();
        for (const names of commits) site.do({ kind: 'commit', names });
        for (const step of all) site.do(step);
        site.do({ kind: 'replicate', commits: arrived });
        const early = site.check();
        assert.ok(early.missing.count >= early.really.length, 'never fewer than there are');
        site.settle();
        const { missing, really } = site.check();
        assert.equal(missing.count, really.length);
        assert.ok(named(missing).every(object => really.includes(object)));
        site.stop();
      }),
      { numRuns: 150 },
    );
  });

  it('begins with nothing heard of', () => {
    assert.equal(
      createHeardOf({ heard: () => undefined, hear: () => {} }, pino({ level: 'silent' })).missing(NO_VERSION).count,
      0,
    );
  });
});
