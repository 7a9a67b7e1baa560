import Type, { type Static } from 'typebox';
import { CertificateFacts } from './ca-rotation.ts';
import { RecordedEvent } from './events.ts';
import { Sha256, Uuid } from './names.ts';
import { SignedStatement } from './statement.ts';
import { AgentMode, Missing, ServerStatus } from './status.ts';
import { Version } from './versioned.ts';

/** Path of the WebSocket from a Secondary to the Primary (mutual TLS; keys must stand in the site statement). */
export const LINK_PATH = '/v1/link';

/** Events in one `drain` frame: well below the frame's size at the largest event. */
export const LINK_DRAIN_EVENTS = 100;

const HOUR_MS = 3_600_000;
/** No limit of the lockout looks further back (`failover.md`, Lockout). */
export const FAILURES_SHARED_MS = 24 * HOUR_MS;
/** A grant exempts its device from the limit per user for this long. */
export const GRANTS_SHARED_MS = 7 * 24 * HOUR_MS;
/** No session is refreshed by a server that did not hear of its end for longer than this: logins are asked for again by then. */
export const ENDED_SHARED_MS = 24 * HOUR_MS;
/** Facts of each sort in one `facts` frame: half a frame at usual names; a frame with very long ones is split by its bytes. */
export const LINK_FACTS = 500;

/** Whose login it was. An age and not a moment: the wall clocks of two machines are never compared. */
const aboutLogin = (longestMs: number) => ({
  /** uid of the Device. */
  deviceId: Uuid,
  /** As the server counts it; a name that exists or not. A typed one has 256 characters, and NFC can make it longer. */
  user: Type.String({ minLength: 1, maxLength: 1024 }),
  ageMs: Type.Integer({ minimum: 0, maximum: longestMs }),
});
/** A login that failed, as servers share it. */
export const SharedFailure = Type.Object({ loginId: Uuid, sentHash: Sha256, ...aboutLogin(FAILURES_SHARED_MS) });
export type SharedFailure = Static<typeof SharedFailure>;
/** A login that was granted, as servers share it. */
export const SharedGrant = Type.Object(aboutLogin(GRANTS_SHARED_MS));
export type SharedGrant = Static<typeof SharedGrant>;
/** A session that somebody ended, as servers share it. */
export const SharedEnd = Type.Object({ loginId: Uuid, ageMs: Type.Integer({ minimum: 0, maximum: ENDED_SHARED_MS }) });
export type SharedEnd = Static<typeof SharedEnd>;

/**
 * Both ways: what counts for the lockout, and which sessions are over. When the link comes up each end sends what its window holds, but for what it has from
 * the other; from then on each new fact at once. A Primary hands on what a Secondary tells it to the others.
 */
export const FactsFrame = Type.Object({
  type: Type.Literal('facts'),
  failures: Type.Array(SharedFailure, { maxItems: LINK_FACTS }),
  grants: Type.Array(SharedGrant, { maxItems: LINK_FACTS }),
  /** A server of an earlier release passes it over. */
  ended: Type.Optional(Type.Array(SharedEnd, { maxItems: LINK_FACTS })),
});
export type FactsFrame = Static<typeof FactsFrame>;

/** Somebody at work on a device, as servers tell each other. `server`: which serves the session. */
export const SharedSession = Type.Object({
  deviceId: Uuid,
  device: Type.String(),
  userId: Uuid,
  user: Type.Union([Type.String(), Type.Null()]),
  loginId: Uuid,
  mode: AgentMode,
  ageMs: Type.Integer({ minimum: 0 }),
  server: Type.String(),
});
export type SharedSession = Static<typeof SharedSession>;

/** Both ways: who is where. All of it when the link comes up (`whole`: in the first frame), then what changes. */
export const SessionsFrame = Type.Object({
  type: Type.Literal('sessions'),
  whole: Type.Boolean(),
  opened: Type.Array(SharedSession, { maxItems: LINK_FACTS }),
  /** Ids of devices on which nobody works any more. */
  closed: Type.Array(Uuid),
  /** Servers that the Primary does not see: of their sessions it knows what they said last. */
  unseen: Type.Array(Type.String()),
});
export type SessionsFrame = Static<typeof SessionsFrame>;

/** Secondary → Primary. */
export const SecondaryFrame = Type.Union([
  /** First, then regularly, and whenever it has changed: its version says what `committed` must tell it. */
  Type.Object({
    type: Type.Literal('status'),
    status: ServerStatus,
    /** The certificate that it shows now: pin of the CA, Unix milliseconds. */
    certificate: Type.Optional(CertificateFacts),
    /** Of the commit that its data rest on: the Primary looks whether its database has it. */
    commitId: Type.Optional(Type.String({ maxLength: 64 })),
  }),
  /** Entries of the journal; answered by `drained` when they are in the source of record. */
  Type.Object({
    type: Type.Literal('drain'),
    batch: Uuid,
    events: Type.Array(RecordedEvent, { minItems: 1, maxItems: LINK_DRAIN_EVENTS }),
  }),
  FactsFrame,
  SessionsFrame,
]);
export type SecondaryFrame = Static<typeof SecondaryFrame>;

/** Primary → Secondary. */
export const PrimaryFrame = Type.Union([
  /**
   * First, after every commit, and when the Secondary has moved on but is still behind: the newest generation that is
   * committed, the statement in force, and the objects that were touched after the version that the Secondary last told.
   */
  Type.Object({
    type: Type.Literal('committed'),
    version: Version,
    statement: SignedStatement,
    touched: Type.Optional(Missing),
  }),
  Type.Object({ type: Type.Literal('drained'), batch: Uuid }),
  /** The source of record cannot take them now: try again later. */
  Type.Object({ type: Type.Literal('refused'), batch: Uuid, reason: Type.String() }),
  FactsFrame,
  SessionsFrame,
]);
export type PrimaryFrame = Static<typeof PrimaryFrame>;
