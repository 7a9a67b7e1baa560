/** One entry with a thousand groups has some 100 kB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Entries of answers that have not come to their end: of a search nobody asks for more than some thousand names. */
const MAX_UNFINISHED_BYTES = 16 * 1024 * 1024;
/** A message, its operation, attributes, values: five; controls as many. */
const MAX_DEPTH = 12;

const SEQUENCE = 0x30;
const CONSTRUCTED = 0x20;
/** Parts of an answer to a search (RFC 4511, 4.5.2), after which its end must come. */
const PARTIAL: readonly number[] = [0x64, 0x73];
/** Lengths of more bytes than that are no length of ours. */
const MAX_LENGTH_BYTES = 4;

export type Framer = {
  /** Whole messages out of what came, each well-formed. `broken`: why nothing of this connection is read any more. */
  push(chunk: Buffer): { readonly messages: readonly Buffer[]; readonly broken: string | undefined };
};

/**
 * Cuts a stream of LDAP messages (BER, RFC 4511, 5.1) before the library reads it: that calls itself for each message that waits, copies all that waits for
 * each chunk of a long one, and takes lengths inside a message for what they say. Nothing here trusts a length.
 */
export function createFramer(
  limits = { messageBytes: MAX_MESSAGE_BYTES, unfinishedBytes: MAX_UNFINISHED_BYTES },
): Framer {
  let chunks: Buffer[] = [];
  let held = 0;
  let unfinished = 0;
  let broken: string | undefined;

  /** Bytes of the message that begins what is held; undefined: that cannot be said yet. */
  function wanted(): number | undefined {
    if (held < 2) return undefined;
    if ((chunks[0]?.length ?? 0) < Math.min(held, 2 + MAX_LENGTH_BYTES)) chunks = [Buffer.concat(chunks)];
    const [first = Buffer.alloc(0)] = chunks;
    if (first[0] !== SEQUENCE) {
      broken = 'what came is no LDAP message';
      return undefined;
    }
    const head = headAt(first, 0, Number.MAX_SAFE_INTEGER);
    if (head === 'short') return undefined;
    const bytes = head === undefined ? Number.MAX_SAFE_INTEGER : head.begins + head.length;
    if (bytes > limits.messageBytes) broken = 'a message is too large, or has no length';
    return bytes;
  }

  function next(): Buffer | undefined {
    const bytes = wanted();
    if (broken !== undefined || bytes === undefined || held < bytes) return undefined;
    const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    const message = all.subarray(0, bytes);
    chunks = bytes === all.length ? [] : [all.subarray(bytes)];
    held -= bytes;
    const operation = operationOf(message);
    if (operation === undefined) {
      broken = 'a message is not well-formed';
      return undefined;
    }
    unfinished = PARTIAL.includes(operation) ? unfinished + bytes : 0;
    if (unfinished > limits.unfinishedBytes) broken = 'an answer has no end';
    return broken === undefined ? message : undefined;
  }

  return {
    push(chunk) {
      const messages: Buffer[] = [];
      if (broken === undefined && chunk.length > 0) {
        chunks.push(chunk);
        held += chunk.length;
        for (let message = next(); message !== undefined; message = next()) messages.push(message);
      }
      if (broken !== undefined) chunks = [];
      return { messages, broken };
    },
  };
}

/** Tag and length; `short`: more bytes are needed for it. undefined: a length that BER in LDAP has not, or one that reaches beyond `end`. */
function headAt(bytes: Buffer, at: number, end: number) {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) return 'short';
  if (first < 0x80) return within({ tag, begins: at + 2, length: first }, end);
  const count = first & 0x7f;
  if (count === 0 || count > MAX_LENGTH_BYTES) return undefined;
  if (at + 2 + count > bytes.length) return 'short';
  return within({ tag, begins: at + 2 + count, length: bytes.readUIntBE(at + 2, count) }, end);
}

function within<H extends { readonly begins: number; readonly length: number }>(head: H, end: number): H | undefined {
  return head.begins + head.length <= end ? head : undefined;
}

/** The tag of the operation of a whole message; undefined: it is not well-formed to its last byte. */
function operationOf(message: Buffer): number | undefined {
  const outer = headAt(message, 0, message.length);
  if (outer === undefined || outer === 'short' || !isWhole(message, outer.begins, message.length, 1)) return undefined;
  const id = headAt(message, outer.begins, message.length);
  if (id === undefined || id === 'short' || id.tag !== 0x02 || id.length === 0 || id.length > 4) return undefined;
  return message[id.begins + id.length];
}

/** Whether the elements between two places fill what is between them, inside as well. */
function isWhole(bytes: Buffer, from: number, to: number, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  let at = from;
  while (at < to) {
    const head = headAt(bytes, at, to);
    if (head === undefined || head === 'short') return false;
    const ends = head.begins + head.length;
    if ((head.tag & CONSTRUCTED) !== 0 && !isWhole(bytes, head.begins, ends, depth + 1)) return false;
    at = ends;
  }
  return at === to;
}
