import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Only the page itself sends it: a form or an image of another page cannot, and its script is not let (no CORS). */
export const TOKEN_HEADER = 'x-thinman-token';

/** Nothing from elsewhere, nothing inline, in no frame, kept nowhere, and no other page holds on to this one's window. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), display-capture=()',
  'cache-control': 'no-store',
};

export function setHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
}

/**
 * Whether the browser came here under the page's own address. Another name for it (DNS rebinding), another origin, and a
 * page elsewhere that lets the browser come (`sec-fetch-site`) are none of ours.
 */
export function isOwnAddress({ headers, headersDistinct, method }: IncomingMessage, port: number): boolean {
  const host = `127.0.0.1:${port}`;
  // Of two Node takes the first; no browser sends two.
  if (headers.host !== host || headersDistinct['host']?.length !== 1) return false;
  // Browsers send it with each POST, and with each request from another origin.
  const { origin } = headers;
  if (origin === undefined ? method !== 'GET' : origin !== `http://${host}`) return false;
  // `none`: typed, or opened by the kiosk itself.
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'none';
}

/** Whether it is the page that this device's administrator opened. */
export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const given = Buffer.from(String(headers[TOKEN_HEADER] ?? ''));
  const expected = Buffer.from(token);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
