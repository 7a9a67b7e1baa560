export type Beginning = {
  /** Events wait in memory: nobody has been told that the agent is ready. */
  isUnderWay(): boolean;
  /** What happened until it was ready is on the disk. */
  isSettled(): boolean;
  /** Somebody asks, whether it is ready or not: what comes of it is on the disk before they are told, and behind what came before. */
  somebodyAsks(): void;
  /** That it is ready is being told: what happened until now is written behind that, and what happens later at once. */
  begun(): void;
  /** What happened until it was ready goes to the disk. */
  settle(): void;
};

/** A start waits for no disk (ADR 0113). */
export function createBeginning(options: {
  /** Puts down what has waited. */
  readonly write: () => void;
  /** That is done. */
  readonly onSettled: () => void;
  /** Runs what nobody waits for. */
  readonly behind: (work: () => void) => void;
  /** The agent has stopped. */
  readonly isOver: () => boolean;
}): Beginning {
  const { write, onSettled, behind, isOver } = options;
  let isUnderWay = true;
  let isSettled = false;

  function settle(): void {
    isUnderWay = false;
    write();
    isSettled = true;
    onSettled();
  }

  return {
    isUnderWay: () => isUnderWay,
    isSettled: () => isSettled,
    somebodyAsks() {
      if (!isSettled) settle();
    },
    begun() {
      if (!isUnderWay) return;
      isUnderWay = false;
      behind(() => {
        if (!isOver() && !isSettled) settle();
      });
    },
    settle,
  };
}
