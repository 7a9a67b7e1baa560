/**
 * Loads when it is asked for the first time; from then on it is there at once. A failure is told to whoever asked, and passes: the next one who
 * asks has it tried again.
 */
export function loadedOnce<T>(load: () => Promise<T>): () => T | Promise<T> {
  let held: T | Promise<T> | undefined;
  return () => {
    held ??= load().then(
      loaded => {
        held = loaded;
        return loaded;
      },
      error => {
        held = undefined;
        throw error;
      },
    );
    return held;
  };
}
