const SEQUENCE = 0x30;
const CONTEXT_0 = 0xa0;
const SHORT_FORM = 0x80;
/** serialNumber, signature, issuer, validity, subject: what stands before the key (RFC 5280, 4.1). */
const FIELDS_BEFORE_KEY = 5;

/** A SubjectPublicKeyInfo of an EC key on P-256 up to its point, which is uncompressed: 0x04 and two coordinates of 32 bytes (RFC 5480). */
const P256_PREFIX = [
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
] as const;
const P256_BYTES = P256_PREFIX.length + 64;

/**
 * The SubjectPublicKeyInfo in a certificate (both DER), where it has the one form that a key on P-256 has in this system; undefined:
 * another kind, another form, or no certificate. Who compares keys by their hash needs no more: to have OpenSSL read a key and write
 * it again takes half as long as a whole handshake (ADR 0091).
 */
export function p256KeyInfoIn(certificate: Uint8Array): Uint8Array | undefined {
  const info = publicKeyInfoIn(certificate);
  if (info?.length !== P256_BYTES) return undefined;
  return P256_PREFIX.every((byte, at) => info[at] === byte) ? info : undefined;
}

function publicKeyInfoIn(certificate: Uint8Array): Uint8Array | undefined {
  const whole = elementAt(certificate, 0);
  const signed = whole?.tag === SEQUENCE ? elementAt(certificate, whole.from) : undefined;
  if (signed?.tag !== SEQUENCE) return undefined;
  let at = signed.from;
  const version = elementAt(certificate, at);
  if (version?.tag === CONTEXT_0) at = version.to;
  for (let field = 0; field < FIELDS_BEFORE_KEY; field++) {
    const passed = elementAt(certificate, at);
    if (passed === undefined || passed.to > signed.to) return undefined;
    at = passed.to;
  }
  const key = elementAt(certificate, at);
  return key?.tag === SEQUENCE && key.to <= signed.to ? certificate.subarray(at, key.to) : undefined;
}

type Element = { readonly tag: number; readonly from: number; readonly to: number };

/** Where the content of the element that begins there lies; undefined: there is no whole one. */
function elementAt(bytes: Uint8Array, start: number): Element | undefined {
  const [tag, first] = [bytes[start], bytes[start + 1]];
  if (tag === undefined || first === undefined) return undefined;
  let from = start + 2;
  let length = first;
  if (first >= SHORT_FORM) {
    const lengthBytes = first - SHORT_FORM;
    // Indefinite lengths are not DER, and nothing here has more than three bytes of length.
    if (lengthBytes === 0 || lengthBytes > 3) return undefined;
    length = 0;
    for (let nth = 0; nth < lengthBytes; nth++) length = length * 256 + (bytes[from + nth] ?? Number.NaN);
    from += lengthBytes;
  }
  const to = from + length;
  return to <= bytes.length ? { tag, from, to } : undefined;
}
