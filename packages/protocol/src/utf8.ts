/**
 * Text from bytes, without a byte order mark; undefined: they are no UTF-8. A lenient reader makes one character of all that it
 * cannot read, and so one password of many.
 */
export function readUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
