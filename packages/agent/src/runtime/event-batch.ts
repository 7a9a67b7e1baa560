import { MAX_BODY_BYTES, type ThinmanEvent } from '@thinman/protocol';

/** Events of one batch, as JSON: half a body, which leaves room for what is around them. */
const BATCH_BYTES = MAX_BODY_BYTES / 2;

/**
 * The beginning of these events that one body takes; one at least. Counted alone they could be too large (413), and would
 * be so again at every try: nothing would leave the outbox any more.
 */
export function fittingBatch(events: readonly ThinmanEvent[]): readonly ThinmanEvent[] {
  let bytes = 0;
  const end = events.findIndex((event, index) => {
    bytes += Buffer.byteLength(JSON.stringify(event));
    return index > 0 && bytes > BATCH_BYTES;
  });
  return end === -1 ? events : events.slice(0, end);
}
