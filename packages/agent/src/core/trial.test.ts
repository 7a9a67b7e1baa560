import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTrial, type TrialEffect, type TrialEvent, type TrialState, trialStep } from './trial.ts';

const TRIAL_MS = 60_000;

/**
 * A device and its network: with settings `good*` a server answers as long as it is up, with `bad*` none does; `broken*` cannot
 * be applied. Plays what the machine asks for until nothing is under way, or `steps` are over.
 */
function device(state: TrialState = startTrial('good0', null)) {
  let now = 0;
  let serverIsUp = true;
  const log: string[] = [];
  const queue: TrialEvent[] = [];
  const pending: TrialEffect[] = [];
  const disk = { confirmed: state.confirmed, refused: state.refused };
  let applied = state.inForce;

  function take(event: TrialEvent): void {
    const step = trialStep(state, event, now, TRIAL_MS);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === 'save') Object.assign(disk, { confirmed: state.confirmed, refused: state.refused });
      if (effect.kind === 'tell')
        log.push(`told ${state.inForce === state.wanted ? 'applied' : `failed ${state.refused?.why}`}`);
      pending.push(effect);
    }
  }
  function play(effect: TrialEffect): void {
    if (effect.kind === 'apply') {
      applied = effect.digest;
      log.push(`apply ${effect.digest}`);
      queue.push({ kind: 'applied', digest: effect.digest, ok: !effect.digest.startsWith('broken') });
    } else if (effect.kind === 'check') {
      now += effect.afterMs;
      queue.push({ kind: serverIsUp && applied.startsWith('good') ? 'answered' : 'silent' });
    }
  }
  function run(steps = 200): void {
    for (let step = 0; step < steps; step++) {
      const effect = pending.shift();
      if (effect !== undefined) play(effect);
      const event = queue.shift();
      if (event !== undefined) take(event);
      if (pending.length + queue.length === 0) return;
    }
  }
  return {
    log,
    disk,
    run,
    give: (digest: string) => take({ kind: 'given', digest }),
    server(isUp: boolean) {
      serverIsUp = isUp;
    },
    state: () => state,
    applied: () => applied,
    now: () => now,
  };
}

test('settings with which a server answers stay, and are what holds after a start', () => {
  const tc = device();
  tc.give('good1');
  tc.run();
  assert.deepEqual(tc.log, ['apply good1', 'told applied']);
  assert.deepEqual(tc.disk, { confirmed: 'good1', refused: null });
});

test('settings that strand the device are taken back, told as failed, and not tried again', () => {
  const tc = device();
  tc.give('bad1');
  tc.run();
  assert.deepEqual(tc.log, ['apply bad1', 'apply good0', 'told failed no_answer']);
  assert.ok(tc.now() >= TRIAL_MS && tc.now() < TRIAL_MS + 5_000);
  assert.equal(tc.disk.confirmed, 'good0');
  tc.give('bad1');
  tc.run();
  assert.equal(tc.applied(), 'good0');
  tc.give('good2');
  tc.run();
  assert.equal(tc.applied(), 'good2');
});

test('while no server answers nothing is tried', () => {
  const tc = device();
  tc.server(false);
  tc.give('good1');
  tc.run(20);
  assert.deepEqual(tc.log, []);
  tc.server(true);
  tc.run();
  assert.deepEqual(tc.log, ['apply good1', 'told applied']);
});

test('servers that die during the trial are not the fault of the settings: they are tried again', () => {
  const tc = device();
  tc.give('good1');
  while (tc.state().phase.kind !== 'trying') tc.run(1);
  tc.server(false);
  tc.run(300);
  assert.deepEqual(tc.log, ['apply good1', 'apply good0']);
  assert.equal(tc.disk.refused, null);
  tc.server(true);
  tc.run();
  assert.deepEqual(tc.log, ['apply good1', 'apply good0', 'apply good1', 'told applied']);
});

test('what cannot be applied is taken back at once', () => {
  const tc = device();
  tc.give('broken1');
  tc.run();
  assert.deepEqual(tc.log, ['apply broken1', 'apply good0', 'told failed not_applied']);
  assert.equal(tc.now(), 0);
});

test('a device that loses its power in a trial starts with what was confirmed', () => {
  const tc = device();
  tc.give('bad1');
  while (tc.state().phase.kind !== 'trying') tc.run(1);
  const again = device(startTrial(tc.disk.confirmed, tc.disk.refused));
  assert.equal(again.state().inForce, 'good0');
});

test('every history of policies, outages and starts: no confirmed settings are bad, and with a server there the newest good ones hold', () => {
  const ACTIONS = ['good1', 'good2', 'bad1', 'broken1', 'down', 'up', 'step', 'restart'] as const;
  const LENGTH = 5;
  const histories = ACTIONS.length ** LENGTH;
  for (let index = 0; index < histories; index++) {
    let rest = index;
    let tc = device();
    let wanted = 'good0';
    for (let at = 0; at < LENGTH; at++) {
      const action = ACTIONS[rest % ACTIONS.length] ?? 'step';
      rest = Math.floor(rest / ACTIONS.length);
      if (action === 'down' || action === 'up') tc.server(action === 'up');
      else if (action === 'step') tc.run(3);
      else if (action === 'restart') {
        tc = device(startTrial(tc.disk.confirmed, tc.disk.refused));
        tc.give(wanted);
      } else {
        wanted = action;
        tc.give(action);
      }
      assert.ok(tc.disk.confirmed.startsWith('good'));
    }
    tc.server(true);
    tc.run(1_000);
    const history = `history ${index}: ${tc.log.join(', ')}`;
    assert.equal(tc.state().phase.kind, 'settled', history);
    assert.ok(tc.applied().startsWith('good'), history);
    assert.equal(tc.applied(), tc.state().inForce, history);
    if (wanted.startsWith('good') && tc.disk.refused?.digest !== wanted) assert.equal(tc.applied(), wanted, history);
  }
});
