import { DATABASE_LOST_AFTER_MS, LAG_LIMIT_MS, type ServerState } from '@thinman/protocol';

/** What a server knows of itself. Moments are on its own monotonic clock, in milliseconds. */
export type ServingFacts = {
  readonly nowMs: number;
  /** A planned stop has begun. */
  readonly draining: boolean;
  /** The newest statement that it holds does not list it: an administrator has deleted it. */
  readonly removed: boolean;
  /** There is a replica, and it is of a schema that this program can read. */
  readonly replica: 'ready' | 'missing' | 'too_new';
  /** Events can be made durable: in the journal, or by handing them on at once. */
  readonly canRecordEvents: boolean;
  /** The last answer of the source of record; undefined: none since the start. */
  readonly databaseAnsweredAtMs: number | undefined;
  /** The source of record lacks the commit that the replica rests on. */
  readonly forked: boolean;
  /** The source of record holds another site. */
  readonly otherSite: boolean;
  /** It was the Primary, and another server has been promoted: its database knows nothing of that. */
  readonly superseded: boolean;
  /** The source of record answers, and the replica does not take what it says. */
  readonly replicaFailed: boolean;
  /** Another server has begun the same epoch on another line of commits. */
  readonly contested: boolean;
  /** How long it has lacked something that it has heard of (`lagMs`). */
  readonly lagMs: number;
};

export type ServingLimits = { readonly databaseLostAfterMs: number; readonly lagLimitMs: number };
export const DEFAULT_SERVING_LIMITS: ServingLimits = {
  databaseLostAfterMs: DATABASE_LOST_AFTER_MS,
  lagLimitMs: LAG_LIMIT_MS,
};

/** Why a server is not `serving`: for its log, its metrics and its `server.state` event. */
export type ServingReason =
  | 'draining'
  | 'removed'
  | 'no_replica'
  | 'schema_too_new'
  | 'cannot_record_events'
  | 'database_lost'
  | 'superseded'
  | 'other_site'
  | 'contested'
  | 'forked'
  | 'replica_failed'
  | 'lagging';

export type Serving = { readonly state: ServerState; readonly why: ServingReason | null };

/** @see failover.md, "When is a server what?" */
export function servingState(facts: ServingFacts, limits: ServingLimits = DEFAULT_SERVING_LIMITS): Serving {
  if (facts.draining) return { state: 'draining', why: 'draining' };
  if (facts.removed) return { state: 'unavailable', why: 'removed' };
  if (facts.replica === 'missing') return { state: 'unavailable', why: 'no_replica' };
  if (facts.replica === 'too_new') return { state: 'unavailable', why: 'schema_too_new' };
  if (!facts.canRecordEvents) return { state: 'unavailable', why: 'cannot_record_events' };
  if (facts.superseded) return { state: 'degraded', why: 'superseded' };
  if (facts.otherSite) return { state: 'degraded', why: 'other_site' };
  if (facts.contested) return { state: 'degraded', why: 'contested' };
  if (facts.forked) return { state: 'degraded', why: 'forked' };
  if (facts.databaseAnsweredAtMs === undefined || facts.nowMs - facts.databaseAnsweredAtMs > limits.databaseLostAfterMs)
    return { state: 'degraded', why: 'database_lost' };
  if (facts.replicaFailed) return { state: 'degraded', why: 'replica_failed' };
  if (facts.lagMs > limits.lagLimitMs) return { state: 'degraded', why: 'lagging' };
  return { state: 'serving', why: null };
}

/** `degraded` still serves, from its replica. */
export function canServeLogin(state: ServerState): boolean {
  return state === 'serving' || state === 'degraded';
}

const WORDS: Readonly<Record<ServingReason, string>> = {
  draining: 'it is being stopped',
  removed: "this server is no longer in the site's statement: join it again",
  no_replica: 'it has no copy of the site yet',
  schema_too_new: 'the site is of a newer version of ThinMan: upgrade this server',
  cannot_record_events: 'events can be written down nowhere: make room, or open the way to the source of record',
  database_lost: 'its database cannot be used',
  superseded:
    'another server was promoted while this one was away: look for fork-….yaml in its data folder, then delete this Server and join it anew',
  other_site:
    'its database holds another site and is not used: put this site\'s own back, or its address into "database" of server.json',
  contested:
    'another Primary has begun the same epoch: decide which of the two counts, and there: "thinman-server accept-database"; the other one exports what it alone has',
  forked:
    'its database lacks what was seen of it (it was restored, replaced, or lost its last commits): put the newer one back, or "thinman-server accept-database" on the Primary',
  replica_failed:
    'its database answers, and its own copy of the site (replica.db) does not take what it says: look at the disk of this server',
  lagging: 'it lacks what it has heard of',
};

/** For people; a reason of another version of ThinMan is told as it is. */
export function describeReason(why: string): string {
  return WORDS[why as ServingReason] ?? why;
}

/** A Primary that serves, and takes no administrative writes; for people. */
export const ISOLATED =
  'refused: it sees neither a device nor another server, so another one may have been promoted (thinman-server start --isolated overrules)';
