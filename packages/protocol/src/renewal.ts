/** When it was issued, if that is known, and when it ends. Unix ms. */
export type CertificateTimes = { readonly issuedAtMs: number | undefined; readonly expiresAtMs: number };

/** `design.md`, Identity and trust; as ACME clients do. */
const RENEW_AT = 2 / 3;
/** ± 5 % of the lifetime, five weeks of a year: what was certified on one day (a ward, a pair) is not renewed on one day. */
const SPREAD = 0.1;
const YEAR_MS = 365 * 24 * 3_600_000;
/** A longer lifetime than any site's: the time of issue was read from a dead clock. */
const LONGEST_LIFETIME_MS = 10 * YEAR_MS;

/**
 * From when on a certificate is to be renewed, in Unix ms. notBefore tells nothing (it is 2020-01-01 for every one): where the time of
 * issue is not known, or cannot be right, what remains is measured against `siteLifetimeMs`. `draw`: from [0, 1), the
 * same for its holder each time it is asked, so that restarts do not draw the earliest of many.
 */
export function renewalDueAtMs(
  { issuedAtMs, expiresAtMs }: CertificateTimes,
  siteLifetimeMs: number,
  draw: number,
): number {
  const knownMs = issuedAtMs === undefined ? 0 : expiresAtMs - issuedAtMs;
  const lifetimeMs = knownMs > 0 && knownMs <= LONGEST_LIFETIME_MS ? knownMs : siteLifetimeMs;
  const share = RENEW_AT + SPREAD * (draw - 0.5);
  return expiresAtMs - (1 - share) * lifetimeMs;
}
