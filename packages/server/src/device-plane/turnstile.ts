import { DEFAULT_CONNECTION_LIMITS } from '../http/connection-limits.ts';

/**
 * Of what is dear (a signature to verify, one to make, some reads) so many in one turn of the event loop: some 4 ms. With all that were
 * read from the sockets at once in one turn, sixty people who log in together kept everybody else waiting for 40 ms and more: whoever
 * asks `/readyz` or sends a ping, and each other, for all were answered together, and came back together.
 */
export const DEAR_A_TURN = 8;

/**
 * Of one device: as many as it may have connections, each of which asks one thing at a time. Who asks without waiting
 * for answers would else fill the line, and memory: before there is an answer nothing slows down the reading of what was sent.
 */
export const WAITING_OF_ONE = DEFAULT_CONNECTION_LIMITS.perKey;

export type Turnstile = {
  /**
   * Called when its turn has come, in the order of the calls: at once, where few are there. false: it never is, for too many
   * of this one wait already.
   */
  pass(whose: string, go: () => void): boolean;
};

/** `nextTurn`: after what has come in meanwhile was looked at. */
export function createTurnstile(
  perTurn = DEAR_A_TURN,
  nextTurn: (action: () => void) => void = setImmediate,
): Turnstile {
  /** Nothing of who has passed: in a storm somebody waits all the time. */
  const waiting: { readonly whose: string; readonly go: () => void }[] = [];
  const waitingOf = new Map<string, number>();
  let passed = 0;

  function pass(go: () => void): void {
    if (passed++ === 0) nextTurn(turn);
    go();
  }

  function turn(): void {
    passed = 0;
    for (const { whose, go } of waiting.splice(0, perTurn)) {
      const others = (waitingOf.get(whose) ?? 0) - 1;
      if (others > 0) waitingOf.set(whose, others);
      else waitingOf.delete(whose);
      pass(go);
    }
  }

  return {
    pass(whose, go) {
      if (waiting.length === 0 && passed < perTurn) {
        pass(go);
        return true;
      }
      const others = waitingOf.get(whose) ?? 0;
      if (others >= WAITING_OF_ONE) return false;
      waitingOf.set(whose, others + 1);
      waiting.push({ whose, go });
      return true;
    },
  };
}
