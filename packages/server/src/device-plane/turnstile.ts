/**
 * Of what is dear (a signature to verify, one to make, some reads) so many in one turn of the event loop: some 4 ms. With all that were
 * read from the sockets at once in one turn, sixty people who log in together kept everybody else waiting for 40 ms and more: whoever
 * asks `/readyz` or sends a ping, and each other, for all were answered together, and came back together.
 */
export const DEAR_A_TURN = 8;

export type Turnstile = {
  /** Called when its turn has come, in the order of the calls: at once, where few are there. */
  pass(go: () => void): void;
};

/** `nextTurn`: after what has come in meanwhile was looked at. */
export function createTurnstile(
  perTurn = DEAR_A_TURN,
  nextTurn: (action: () => void) => void = setImmediate,
): Turnstile {
  /** Those from `next` on wait. */
  let waiting: (() => void)[] = [];
  let next = 0;
  let passed = 0;

  function pass(go: () => void): void {
    if (passed++ === 0) nextTurn(turn);
    go();
  }

  function turn(): void {
    passed = 0;
    const end = Math.min(next + perTurn, waiting.length);
    const some = waiting.slice(next, end);
    next = end;
    if (next === waiting.length) {
      waiting = [];
      next = 0;
    }
    for (const go of some) pass(go);
  }

  return {
    pass(go) {
      if (waiting.length === 0 && passed < perTurn) pass(go);
      else waiting.push(go);
    },
  };
}
