import { LINK_DRAIN_EVENTS, MAX_FRAME_BYTES, type RecordedEvent } from '@thinman/protocol';

/** Room for the frame around the events. */
const FRAME_ALLOWANCE_BYTES = 1024;

/** Splits events, in order, into lists that each fit one frame. */
export function chunkEvents(
  events: readonly RecordedEvent[],
  maxBytes = MAX_FRAME_BYTES - FRAME_ALLOWANCE_BYTES,
): RecordedEvent[][] {
  const chunks: RecordedEvent[][] = [];
  let chunk: RecordedEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1;
    if (chunk.length > 0 && (chunk.length === LINK_DRAIN_EVENTS || bytes + size > maxBytes)) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(event);
    bytes += size;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}
