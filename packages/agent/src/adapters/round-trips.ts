/** Weight of a shorter sample: twice that of TCP (RFC 6298), for no answer is faster than its wire. */
const SHORTER_WEIGHT = 1 / 4;
/** Of a longer one: a wire that has just become slow must not look like a dead server to the next two logins. */
const LONGER_WEIGHT = 1 / 2;
/**
 * What one sample may say, in ms, or twice what is held if that is more. A request whose packets were sent again tells of the
 * silence that it met, not of the wire (Karn's algorithm; who asks cannot see which): believed whole, one outage of a second
 * would have every hedge wait for seconds. The wire of row 4 (`failover.md`: 300 ms ± 200) is below it.
 */
const BELIEVED_MS = 600;

export type RoundTrips = ReturnType<typeof createRoundTrips>;

/** Smoothed round trips in ms, by server: they rise fast, but only so far at once, and fall slowly. */
export function createRoundTrips() {
  const smoothed = new Map<string, number>();
  return {
    add(server: string, sampleMs: number): void {
      const held = smoothed.get(server) ?? sampleMs;
      const believedMs = Math.min(sampleMs, Math.max(2 * held, BELIEVED_MS));
      const weight = believedMs > held ? LONGER_WEIGHT : SHORTER_WEIGHT;
      smoothed.set(server, held + weight * (believedMs - held));
    },
    of: (server: string): number | undefined => smoothed.get(server),
  };
}
