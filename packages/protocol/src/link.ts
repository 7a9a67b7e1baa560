import Type, { type Static } from 'typebox';
import { RecordedEvent } from './events.ts';
import { Uuid } from './names.ts';
import { SignedStatement } from './statement.ts';
import { ServerStatus } from './status.ts';
import { Version } from './versioned.ts';

/** Path of the WebSocket from a Secondary to the Primary (mutual TLS; keys must stand in the site statement). */
export const LINK_PATH = '/v1/link';

/** Events in one `drain` frame: well below the frame's size at the largest event. */
export const LINK_DRAIN_EVENTS = 100;

/** Secondary → Primary. */
export const SecondaryFrame = Type.Union([
  Type.Object({ type: Type.Literal('status'), status: ServerStatus }),
  /** Entries of the journal; answered by `drained` when they are in the source of record. */
  Type.Object({
    type: Type.Literal('drain'),
    batch: Uuid,
    events: Type.Array(RecordedEvent, { minItems: 1, maxItems: LINK_DRAIN_EVENTS }),
  }),
]);
export type SecondaryFrame = Static<typeof SecondaryFrame>;

/** Primary → Secondary. */
export const PrimaryFrame = Type.Union([
  /** First, and after every commit: the newest generation that is committed, and the statement in force. */
  Type.Object({ type: Type.Literal('committed'), version: Version, statement: SignedStatement }),
  Type.Object({ type: Type.Literal('drained'), batch: Uuid }),
  /** The source of record cannot take them now: try again later. */
  Type.Object({ type: Type.Literal('refused'), batch: Uuid, reason: Type.String() }),
]);
export type PrimaryFrame = Static<typeof PrimaryFrame>;
