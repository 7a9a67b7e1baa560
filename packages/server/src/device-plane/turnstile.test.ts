import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createTurnstile, WAITING_OF_ONE } from './turnstile.ts';

/** Turns of an event loop that are taken by hand. */
function loop() {
  let due: (() => void)[] = [];
  return {
    nextTurn: (action: () => void) => void due.push(action),
    turn() {
      const now = due;
      due = [];
      for (const action of now) action();
    },
    isQuiet: () => due.length === 0,
  };
}

function three() {
  const { nextTurn, turn, isQuiet } = loop();
  const turnstile = createTurnstile(3, nextTurn);
  const passed: number[] = [];
  const come = (from: number, to: number) => {
    for (let one = from; one <= to; one++) turnstile.pass('somebody', () => passed.push(one));
  };
  return { come, passed, turn, isQuiet };
}

test('few pass at once', () => {
  const { come, passed } = three();
  come(1, 3);
  assert.deepEqual(passed, [1, 2, 3]);
});

test('of many who come in one turn so many pass in each, in the order of their coming', () => {
  const { come, passed, turn } = three();
  come(1, 8);
  assert.deepEqual(passed, [1, 2, 3]);
  turn();
  assert.deepEqual(passed, [1, 2, 3, 4, 5, 6]);
  turn();
  assert.deepEqual(passed, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('who comes while others wait passes after them, and adds nothing to a turn', () => {
  const { come, passed, turn } = three();
  come(1, 5);
  turn();
  assert.deepEqual(passed, [1, 2, 3, 4, 5]);
  come(6, 8);
  assert.deepEqual(passed, [1, 2, 3, 4, 5, 6]);
  turn();
  assert.deepEqual(passed, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('with nobody there it asks for no turn, so that a server at rest rests', () => {
  const { come, turn, isQuiet } = three();
  come(1, 7);
  for (let turns = 0; turns < 4; turns++) turn();
  assert.equal(isQuiet(), true);
  come(8, 8);
  assert.equal(isQuiet(), false);
});

test('who asks for more when its turn has come is counted in that turn', () => {
  const { nextTurn, turn } = loop();
  const turnstile = createTurnstile(2, nextTurn);
  const passed: string[] = [];
  const again = (name: string) => turnstile.pass('somebody', () => passed.push(name));
  for (const name of ['a', 'b', 'c', 'd']) {
    turnstile.pass('somebody', () => {
      passed.push(name);
      again(`${name}, again`);
    });
  }
  assert.deepEqual(passed, ['a', 'a, again']);
  turn();
  assert.deepEqual(passed, ['a', 'a, again', 'b', 'c']);
});

test('so many of one wait and no more, and others after them', () => {
  const { nextTurn, turn, isQuiet } = loop();
  const turnstile = createTurnstile(2, nextTurn);
  const passed: string[] = [];
  const come = (whose: string) => turnstile.pass(whose, () => passed.push(whose));
  const taken = Array.from({ length: WAITING_OF_ONE + 5 }, () => come('a'));
  assert.equal(taken.filter(is => is).length, 2 + WAITING_OF_ONE);
  assert.equal(taken.at(-1), false);
  assert.equal(come('b'), true);
  turn();
  // Two of its places are free again.
  assert.deepEqual([come('a'), come('a'), come('a')], [true, true, false]);
  while (!isQuiet()) turn();
  assert.equal(passed.length, 2 + WAITING_OF_ONE + 1 + 2);
  assert.equal(passed.at(-3), 'b');
});

test('keeps nothing of who has passed, while others wait without an end', async () => {
  const { nextTurn, turn } = loop();
  const turnstile = createTurnstile(2, nextTurn);
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const passed: WeakRef<object>[] = [];
  const come = () => {
    const request = {};
    turnstile.pass('somebody', () => void passed.push(new WeakRef(request)));
  };
  for (let one = 0; one < 6; one++) come();
  for (let turns = 0; turns < 50; turns++) {
    turn();
    for (let one = 0; one < 2; one++) come();
  }
  // What was made in this turn is held by WeakRef until it ends.
  await new Promise(resolve => setImmediate(resolve));
  collect();
  assert.equal(passed.length, 102);
  assert.equal(passed.filter(request => request.deref() !== undefined).length, 0);
});
