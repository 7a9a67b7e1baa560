/** Weight of a shorter sample, as TCP does it (RFC 6298). */
const SHORTER_WEIGHT = 1 / 8;
/** Of a longer one: a wire that has just become slow must not look like a dead server to the next two logins. */
const LONGER_WEIGHT = 1 / 2;

/** Smoothed round trips in ms, by server: they rise fast, and fall slowly. */
export function createRoundTrips() {
  const smoothed = new Map<string, number>();
  return {
    add(server: string, sampleMs: number): void {
      const held = smoothed.get(server) ?? sampleMs;
      const weight = sampleMs > held ? LONGER_WEIGHT : SHORTER_WEIGHT;
      smoothed.set(server, held + weight * (sampleMs - held));
    },
    of: (server: string): number | undefined => smoothed.get(server),
  };
}
