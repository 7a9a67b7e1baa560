/** Short beside every deadline of a directory, and long beside what a server does in one go. */
const SLICE_MS = 100;

/**
 * Runs `action` when this server has listened for `ms`, and gives how to stop it. One that was busy itself, or that the machine gave no
 * turn, has not heard what lies there for it: a deadline by the clock alone would take its own delay for the silence of a directory, which
 * would be asked once more, elsewhere, with the same password. However long a turn was, it counts as one slice.
 */
export function afterListening(
  { after }: { after(delayMs: number, action: () => void): () => void },
  ms: number,
  action: () => void,
): () => void {
  let leftMs = ms;
  let stop = () => {};
  const next = () => {
    const sliceMs = Math.min(leftMs, SLICE_MS);
    stop = after(sliceMs, () => {
      leftMs -= sliceMs;
      if (leftMs > 0) next();
      else action();
    });
  };
  next();
  return () => stop();
}
