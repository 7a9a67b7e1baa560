import Type, { type Static } from 'typebox';

const ms = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });

/** The agent's numbers (`failover.md`, "The agent"), all in milliseconds unless said otherwise. Servers send them in the device bundle. */
export const AgentTimings = Type.Object({
  /** Least deadline of connect + TLS; the real one is max(this, 4 × measured round trip). */
  connectDeadlineMs: ms(50, 60_000),
  /** Least delay before the next server is asked as well; the real one is max(this, 3 × measured round trip). */
  hedgeDelayMs: ms(10, 60_000),
  /** The whole online attempt; then the device decides offline. */
  loginDeadlineMs: ms(200, 60_000),
  /** Channel ping from the device, ± 20 %; dead after two misses. */
  pingIntervalMs: ms(50, 600_000),
  /** Breaker: first interval after one hard failure, doubling to the maximum, ± 20 %. */
  breakerFirstMs: ms(50, 600_000),
  breakerMaxMs: ms(100, 3_600_000),
  /** Every server down: probing, doubling to the maximum, jittered. */
  allDownFirstMs: ms(50, 600_000),
  allDownMaxMs: ms(100, 3_600_000),
  /** Leaving a degraded server for a serving one: after this, plus a random part of the spread. */
  leaveDegradedAfterMs: ms(0, 600_000),
  leaveDegradedSpreadMs: ms(0, 600_000),
  /** Failback: probes of earlier servers every so often … */
  failbackProbeMs: ms(50, 3_600_000),
  /** … as many good ones in a row … */
  failbackProbes: Type.Integer({ minimum: 1, maximum: 100 }),
  /** … then spread by a random part of this. */
  failbackSpreadMs: ms(0, 3_600_000),
  /** A failure of the server within this time after a failback doubles the number of probes' wait … */
  failbackRegretMs: ms(0, 86_400_000),
  /** … up to this wait. */
  failbackMaxWaitMs: ms(0, 86_400_000),
  /** How long no server may answer before new network settings are taken back; default: 60 s. */
  networkTrialMs: Type.Optional(ms(1_000, 600_000)),
});
export type AgentTimings = Static<typeof AgentTimings>;

/** Defaults and where they come from: `failover.md`, "The agent", row by row. */
export const DEFAULT_AGENT_TIMINGS: AgentTimings = {
  connectDeadlineMs: 1_500,
  hedgeDelayMs: 300,
  loginDeadlineMs: 4_000,
  pingIntervalMs: 10_000,
  breakerFirstMs: 5_000,
  breakerMaxMs: 300_000,
  allDownFirstMs: 5_000,
  allDownMaxMs: 60_000,
  leaveDegradedAfterMs: 3_000,
  leaveDegradedSpreadMs: 10_000,
  failbackProbeMs: 15_000,
  failbackProbes: 3,
  failbackSpreadMs: 30_000,
  failbackRegretMs: 600_000,
  failbackMaxWaitMs: 1_800_000,
};

/** A server asks its source of record for news this often. */
export const SYNC_INTERVAL_MS = 500;
/** A source of record that has not answered for this long is gone. */
export const DATABASE_LOST_AFTER_MS = 3_000;
/** Lag above this makes a Secondary degraded. */
export const LAG_LIMIT_MS = 30_000;
/** Session tokens; refreshed by any server. */
export const SESSION_LIFETIME_MS = 15 * 60_000;
/** The same `loginId` gets the stored verdict for at least this long: far above any agent's deadline. */
export const LOGIN_MEMORY_MS = 60 * 60_000;
