/** 48 bits of milliseconds in hexadecimal. */
const TIME_DIGITS = 12;
const RANDOM_DIGITS = 4;

/**
 * A UUIDv7 (RFC 9562): Unix milliseconds first. Servers read from a session's id when it began, so `unixMs` is the time that this
 * device trusts (`Context.nowMs`), not what its wall clock says. It may be wrong all the same (nothing was heard of a server yet)
 * and go back when a server is heard: the id is unique by the random bits of `uuid4`, and the order of events is the outbox's.
 */
export function uuidV7(unixMs: number, uuid4: string): string {
  const time = Math.max(0, Math.floor(unixMs)).toString(16).padStart(TIME_DIGITS, '0').slice(-TIME_DIGITS);
  const random = uuid4.replaceAll('-', '');
  const tail = random.slice(-2 * RANDOM_DIGITS - 8); // variant nibble and the 60 bits after it
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}
