import { MAX_FRAME_BYTES } from '@thinman/protocol';

/** Room for the frame around the items. */
const FRAME_ALLOWANCE_BYTES = 1024;

/** Splits items, in order, into lists that each fit one frame. */
export function inChunks<T>(
  items: readonly T[],
  maxItems: number,
  maxBytes = MAX_FRAME_BYTES - FRAME_ALLOWANCE_BYTES,
): T[][] {
  const chunks: T[][] = [];
  let chunk: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (chunk.length > 0 && (chunk.length === maxItems || bytes + size > maxBytes)) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(item);
    bytes += size;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}
