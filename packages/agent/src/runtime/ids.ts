/** 48 bits of milliseconds in hexadecimal. */
const TIME_DIGITS = 12;
const RANDOM_DIGITS = 4;

/**
 * A UUIDv7 (RFC 9562): Unix milliseconds first, so that ids sort by time. `uuid4` supplies the random bits; `wallMs` may be
 * wrong, the id is unique all the same.
 */
export function uuidV7(wallMs: number, uuid4: string): string {
  const time = Math.max(0, Math.floor(wallMs)).toString(16).padStart(TIME_DIGITS, '0').slice(-TIME_DIGITS);
  const random = uuid4.replaceAll('-', '');
  const tail = random.slice(-2 * RANDOM_DIGITS - 8); // variant nibble and the 60 bits after it
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}
