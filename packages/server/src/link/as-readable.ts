import { createHash } from 'node:crypto';
import { describeProblems, MAX_FRAME_BYTES, parseValue, RecordedEvent } from '@thinman/protocol';
import { uuidFrom } from '../device-plane/uuid.ts';

/** Of what cannot be told as it is: for people, and well below what an event may be. */
const MAX_EXCERPT_CHARS = 4_096;
/** A frame holds one event at least, and what is around it. */
const MAX_EVENT_CHARS = MAX_FRAME_BYTES / 4;

/**
 * An event that the Primary would not read (a defect made it, or a version with other rules) would hold back all behind it for
 * ever. It goes as an event of `server` that says so, under an id that stays the same however often it is sent.
 */
export function asReadable(event: RecordedEvent, server: string): RecordedEvent {
  const parsed = parseValue(RecordedEvent, event);
  const text = JSON.stringify(event);
  if (parsed.ok && text.length <= MAX_EVENT_CHARS) return event;
  const reason = parsed.ok ? 'is too large' : describeProblems(parsed.problems);
  const at = Number.isSafeInteger(event.takenAt) && event.takenAt >= 0 ? event.takenAt : 0;
  return {
    id: uuidFrom(createHash('sha256').update(text).digest(), 8),
    type: 'event.quarantined',
    at,
    data: { quarantined: 1, reason, event: text.slice(0, MAX_EXCERPT_CHARS) },
    origin: `server:${server}`,
    takenBy: server,
    takenAt: at,
  };
}
