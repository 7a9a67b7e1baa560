import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { certificateFacts } from '../../identity/pins.ts';
import { type Check, fail, ok, warn } from './check.ts';

const DAY_MS = 24 * 3_600_000;
/** It is renewed when a third of two years is left: one that is so old has not been for months. */
const RENEWED_LONG_BEFORE_DAYS = 60;
/** Time to plan the change of a CA, with every thin client that is in a drawer. */
const CA_WARN_DAYS = 365;

/** This server's certificate, and the site's CAs. `url`: its own, as devices reach it. */
export function checkCertificates(
  { certificatePem, caCertificates }: { readonly certificatePem: string; readonly caCertificates: readonly string[] },
  url: string,
  nowMs: number,
): readonly Check[] {
  const certificate = new X509Certificate(certificatePem);
  return [own(certificate, certificatePem, caCertificates, url, nowMs), ...caCertificates.map(pem => ca(pem, nowMs))];
}

function own(
  certificate: X509Certificate,
  pem: string,
  caCertificates: readonly string[],
  url: string,
  nowMs: number,
): Check {
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
  const named = isIP(host) === 0 ? certificate.checkHost(host, { wildcards: false }) : certificate.checkIP(host);
  const days = daysLeft(certificate, nowMs);
  const renew = 'it renews itself while the server runs and sees the Primary: look at its log';
  if (certificateFacts(pem, caCertificates) === undefined) {
    return fail('certificate', 'it is of none of the CAs in ca.crt', renew);
  }
  if (named === undefined) {
    return fail(
      'certificate',
      `it does not name ${host}`,
      'put the URL right that the site has of this server (Server)',
    );
  }
  if (days < 0) return fail('certificate', `it expired ${-days} days ago`, renew);
  const found = `for ${host}, good for ${days} days`;
  return days < RENEWED_LONG_BEFORE_DAYS ? warn('certificate', found, renew) : ok('certificate', found);
}

function ca(pem: string, nowMs: number): Check {
  const days = daysLeft(new X509Certificate(pem), nowMs);
  const found = `the site's CA is good for ${days} days`;
  const advice = 'thinman-server ca begin on the Primary, then as docs/operations.md says';
  if (days < 0) return fail('CA', `the site's CA expired ${-days} days ago`, advice);
  return days < CA_WARN_DAYS ? warn('CA', found, advice) : ok('CA', found);
}

function daysLeft({ validToDate }: X509Certificate, nowMs: number): number {
  return Math.floor((validToDate.getTime() - nowMs) / DAY_MS);
}
