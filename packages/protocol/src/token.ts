import { canonicalJson } from './canonical.ts';
import { parseValue } from './codec.ts';
import { TokenContent } from './enrolment.ts';

const PREFIX = 'thinman1';
const MAX_TOKEN_CHARS = 8192;

/** CRC-32 (IEEE): tells a token that was cut or mistyped from one that is wrong. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), char => char.charCodeAt(0));
}

/** `thinman1.PAYLOAD.CHECK`: one string without spaces. */
export function encodeToken(content: TokenContent): string {
  const bytes = new TextEncoder().encode(canonicalJson(content));
  return `${PREFIX}.${toBase64Url(bytes)}.${crc32(bytes).toString(16).padStart(8, '0')}`;
}

/** What an enrolment token says, or why it is none, in words for people. */
export type DecodedToken =
  | { readonly ok: true; readonly content: TokenContent }
  | { readonly ok: false; readonly why: string };

/** White space around and inside (a wrapped line) is forgiven; everything else is checked. */
export function decodeToken(text: string): DecodedToken {
  const token = text.replaceAll(/\s/g, '');
  if (token.length > MAX_TOKEN_CHARS) return { ok: false, why: 'the token is too long' };
  const [prefix, payload, check, ...rest] = token.split('.');
  if (prefix !== PREFIX || payload === undefined || check === undefined || rest.length > 0) {
    return { ok: false, why: `this is not an enrolment token (it must begin with "${PREFIX}." and be pasted whole)` };
  }
  try {
    const bytes = fromBase64Url(payload);
    if (crc32(bytes).toString(16).padStart(8, '0') !== check)
      return { ok: false, why: 'the token was cut or mistyped; paste it whole' };
    const parsed = parseValue(TokenContent, JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.ok
      ? { ok: true, content: parsed.value }
      : { ok: false, why: 'the token does not have the right content' };
  } catch {
    return { ok: false, why: 'the token was cut or mistyped; paste it whole' };
  }
}
