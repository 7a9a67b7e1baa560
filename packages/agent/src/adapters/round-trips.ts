/** Weight of a new sample, as TCP does it (RFC 6298). */
const NEW_SAMPLE_WEIGHT = 1 / 8;

/** Smoothed round trips in ms, by server. */
export function createRoundTrips() {
  const smoothed = new Map<string, number>();
  return {
    add(server: string, sampleMs: number): void {
      const held = smoothed.get(server);
      smoothed.set(server, held === undefined ? sampleMs : held + NEW_SAMPLE_WEIGHT * (sampleMs - held));
    },
    of: (server: string): number | undefined => smoothed.get(server),
  };
}
