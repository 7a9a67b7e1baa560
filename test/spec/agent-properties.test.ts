import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOlder } from '@thinman/protocol';
import fc from 'fast-check';
import { type Candidate, type Standing, selectServer } from '../../packages/agent/src/core/server-selection.ts';
import { dueAt } from '../../packages/agent/src/core/transition.ts';
import { createMachine, type Machine } from './agent-machine.ts';

const RUNS = Number(process.env.THINMAN_PROPERTY_RUNS ?? 300);
const SERVERS = ['one', 'two', 'three'];
/** Far beyond every deadline of a login: the hedges, the attempt, the offline decision. */
const LONG_MS = 60_000;

/** A random world: at each turn some time passes, then one of the things that could happen does. */
const turns = fc.array(fc.record({ passMs: fc.nat(3_000), choice: fc.nat() }), {
  minLength: 1,
  maxLength: 80,
  size: 'max',
});

function play(
  machine: Machine,
  all: readonly { readonly passMs: number; readonly choice: number }[],
  after: () => void,
) {
  machine.play({ at: 0, do: 'start' });
  for (const { passMs, choice } of all) {
    machine.play({ at: machine.now() + passMs, do: 'wait' });
    const possible = machine.possible();
    machine.play({ at: machine.now(), do: possible[choice % possible.length] ?? 'wait' });
    after();
  }
}

const newMachine = (draw = 0.5) =>
  createMachine({
    servers: SERVERS,
    users: { alice: { subject: 5 } },
    draw,
  });

test('selection ends, and takes the first of the best rung in list order', () => {
  const standing = fc.constantFrom<Standing>('serving', 'degraded', 'unknown', 'doubtful', 'out');
  fc.assert(
    fc.property(fc.array(standing, { maxLength: 8 }), fc.boolean(), (standings, patience) => {
      const candidates: Candidate[] = standings.map((each, at) => ({ name: `s${at}`, standing: each }));
      const selection = selectServer(candidates, patience);
      const first = (wanted: Standing) => candidates.findIndex(each => each.standing === wanted);
      const serving = first('serving');
      const unknown = first('unknown');
      const isHeldBack = patience && unknown !== -1 && (serving === -1 || unknown < serving);
      if (isHeldBack) assert.deepEqual(selection, { kind: 'wait' });
      else if (serving !== -1) assert.deepEqual(selection, { kind: 'chosen', server: `s${serving}` });
      else if (first('degraded') !== -1)
        assert.deepEqual(selection, { kind: 'chosen', server: `s${first('degraded')}` });
      else if (unknown !== -1 || first('doubtful') !== -1) assert.deepEqual(selection, { kind: 'wait' });
      else assert.deepEqual(selection, { kind: 'none' });
    }),
    { numRuns: RUNS },
  );
});

test('whatever happens: the machine settles, the list keeps its order, and no version goes back', () => {
  fc.assert(
    fc.property(turns, fc.double({ min: 0, max: 0.999, noNaN: true }), (all, draw) => {
      const machine = newMachine(draw);
      let before = machine.state();
      play(machine, all, () => {
        const state = machine.state();
        assert.ok(dueAt(state, machine.now()) > machine.now(), 'would spin');
        assert.deepEqual(machine.facts().list, SERVERS);
        assert.ok(!isOlder(state.accepted, before.accepted), 'accepted went back');
        assert.ok(!isOlder(state.held.device, before.held.device), 'the device bundle went back');
        assert.ok(!isOlder(state.held.newest, before.held.newest), 'what is held went back');
        before = state;
      });
    }),
    { numRuns: RUNS },
  );
});

test('no effect after the end, whatever still comes in', () => {
  fc.assert(
    fc.property(turns, turns, (all, late) => {
      const machine = newMachine();
      play(machine, all, () => {});
      machine.play({ at: machine.now(), do: 'stop' });
      const count = machine.effects.length;
      for (const { passMs, choice } of late) {
        const possible = machine.possible();
        machine.play({ at: machine.now() + passMs, do: possible[choice % possible.length] ?? 'wait' });
      }
      assert.equal(machine.effects.length, count);
    }),
    { numRuns: RUNS },
  );
});

test('a result that comes twice or too late is harmless', () => {
  const RESULTS = [
    'probeAnswered',
    'beginAnswered',
    'loginAnswered',
    'derived',
    'offlineFacts',
    'offlineTried',
    'userRead',
    'sessionAnswered',
    'sessionProved',
    'eventsAnswered',
    'bundleAnswered',
    'channelClosed',
  ];
  fc.assert(
    fc.property(turns, fc.array(fc.nat(), { maxLength: 30 }), (all, again) => {
      const machine = newMachine();
      play(machine, all, () => {});
      const results = machine.fed.filter(({ kind }) => RESULTS.includes(kind));
      for (const choice of again) {
        const result = results[choice % results.length];
        if (result === undefined) return;
        const before = machine.state();
        // The same password by the same salt: the key that is waited for.
        const { loginId, keys } = before.login ?? {};
        const isWanted = keys?.kind === 'deriving' && result.kind === 'derived' && result.loginId === loginId;
        if (isWanted && result.salt === keys.salt) continue;
        const count = machine.effects.length;
        machine.feed(result);
        assert.deepEqual(machine.state(), before, result.kind);
        const effects = machine.effects.slice(count).filter(({ kind }) => kind !== 'dropBundle');
        assert.deepEqual(effects, [], result.kind);
      }
    }),
    { numRuns: RUNS },
  );
});

test('every login is answered exactly once, after its event is on the disk, and in the order of asking', () => {
  fc.assert(
    fc.property(turns, all => {
      const machine = newMachine();
      play(machine, all, () => {});
      for (let turn = 0; machine.state().login !== null && turn < 200; turn += 1) {
        const step = ['derived opens', 'tried opened'].find(each => machine.possible().includes(each));
        machine.play({ at: machine.now(), do: step ?? 'wait' });
        machine.play({ at: machine.now() + LONG_MS, do: 'wait' });
      }
      const requested = machine.fed.flatMap(event => (event.kind === 'loginRequested' ? [event.loginId] : []));
      const told = machine.effects.flatMap(effect => (effect.kind === 'finishLogin' ? [effect.loginId] : []));
      assert.deepEqual(told, requested);
      for (const loginId of told) {
        const of = machine.effects.filter(effect => 'loginId' in effect && effect.loginId === loginId);
        const [commit, finish] = (['commitLogin', 'finishLogin'] as const).map(kind =>
          of.findIndex(effect => effect.kind === kind),
        );
        assert.ok(commit !== undefined && finish !== undefined && commit !== -1 && commit < finish);
      }
    }),
    { numRuns: RUNS },
  );
});

test('left alone with all servers up, a device ends on the first of its list', () => {
  fc.assert(
    fc.property(turns, all => {
      const machine = newMachine();
      play(machine, all, () => {});
      // From here on the world is well: every probe and every channel is answered, logins end.
      for (let turn = 0; turn < 4_000 && machine.facts().server !== 'one'; turn += 1) {
        const possible = machine.possible();
        const good = possible.find(step => /^(probe \w+ serving|derived opens|tried opened)$/.test(step));
        const opening = pendingServer(machine);
        const step = opening !== undefined ? `hello ${opening} serving` : (good ?? 'wait');
        machine.play({ at: machine.now() + (step === 'wait' ? 5_000 : 1), do: step });
      }
      assert.equal(machine.facts().server, 'one');
    }),
    { numRuns: Math.ceil(RUNS / 5) },
  );
});

/** The server whose channel is being opened. */
function pendingServer(machine: Machine): string | undefined {
  const { connectivity } = machine.state();
  const pending = connectivity.kind === 'connected' ? connectivity.move : connectivity.search;
  return pending.kind === 'opening' ? pending.opening.server : undefined;
}
