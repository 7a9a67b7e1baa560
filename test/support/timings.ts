import type { AgentTimings } from '@thinman/protocol';

/**
 * Shortens the long waits of agents, so that a whole story of failures and recoveries takes seconds. What a login may cost
 * (hedge, deadlines) and the cost of a password keep their defaults: these are what is tested.
 */
export const FAST_TIMINGS: Partial<AgentTimings> = {
  pingIntervalMs: 1000,
  breakerFirstMs: 300,
  breakerMaxMs: 2000,
  allDownFirstMs: 300,
  allDownMaxMs: 1000,
  // Two servers on one database notice its loss up to a reading apart (500 ms): nobody must move for that.
  leaveDegradedAfterMs: 1_000,
  leaveDegradedSpreadMs: 300,
  failbackProbeMs: 300,
  failbackProbes: 3,
  failbackSpreadMs: 300,
  failbackRegretMs: 0,
  failbackMaxWaitMs: 1000,
};
