import { X509Certificate } from 'node:crypto';
import { connect, isIP } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  connect as secure,
  type TLSSocket,
} from 'node:tls';
import type { StatementServer } from '@thinman/protocol';
import { errorCode } from '../error-code.ts';
import type { Clock, DeviceIdentity, FailureReason } from '../ports.ts';
import { certificateKeyHash } from './device-key.ts';

/** A connection that was not made, and why. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';
  readonly reason: FailureReason;
  constructor(reason: FailureReason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** What the device shows and whom it trusts, made once for many connections. */
export type TlsCredentials = {
  readonly context: SecureContext;
  readonly caCertificates: readonly string[];
  /** Unix ms: of the device's own certificate; before it has one, of the site's CAs. */
  readonly validity: { readonly fromMs: number; readonly untilMs: number };
};

type Shown = Pick<DeviceIdentity, 'caCertificates'> & Partial<Pick<DeviceIdentity, 'certificate' | 'privateKey'>>;

const made = new WeakMap<Shown, TlsCredentials>();

/** Of one identity the same each time: reading keys and certificates takes as long as a handshake. An identity that changes is another. */
export function tlsCredentials(identity: Shown): TlsCredentials {
  const held = made.get(identity) ?? readCredentials(identity);
  made.set(identity, held);
  return held;
}

function readCredentials(identity: Shown): TlsCredentials {
  const { caCertificates, certificate, privateKey } = identity;
  const context = createSecureContext({
    ca: [...caCertificates],
    ...(certificate !== undefined && { cert: certificate }),
    ...(privateKey !== undefined && { key: privateKey }),
    minVersion: 'TLSv1.3',
  });
  return { context, caCertificates, validity: validityOf(certificate === undefined ? caCertificates : [certificate]) };
}

function validityOf(certificates: readonly string[]): TlsCredentials['validity'] {
  const parsed = certificates.map(pem => new X509Certificate(pem));
  return {
    fromMs: Math.min(...parsed.map(({ validFromDate }) => validFromDate.getTime())),
    untilMs: Math.max(...parsed.map(({ validToDate }) => validToDate.getTime())),
  };
}

export type ConnectRequest = {
  readonly url: URL;
  /** Asked once the other host has answered: where nobody does, nothing is read for it (ADR 0113). */
  readonly credentials: () => TlsCredentials;
  readonly clock: Clock;
  /** Until the other host has answered, name lookup included, in ms; without `handshakeDeadlineMs`, for TLS as well. */
  readonly deadlineMs: number;
  /**
   * TLS, once the other host has answered, in ms. When thousands of devices come at once, a server takes seconds to get round to
   * the last of them; giving up would only have it do the work of all of them again.
   */
  readonly handshakeDeadlineMs?: number;
  /** SHA-256 of the SPKI of the only key that may answer; undefined = any under the CA (enrolment). */
  readonly keyHash: StatementServer['keyHash'] | undefined;
  /** Time of one TCP handshake, in ms: the network's round trip. */
  readonly onRoundTrip?: (ms: number) => void;
};

/**
 * Connects and verifies; `done` gets the socket only after the certificate's chain, name, purpose and key have all been
 * found right, so that nothing at all is sent to another server. Calls `done` once. Returns how to give up.
 * No TLS session is ever resumed: on a resumed one there is no peer certificate to look at.
 */
export function connectTls(
  request: ConnectRequest,
  done: (failure: ConnectFailure | undefined, socket: TLSSocket | undefined) => void,
): () => void {
  const { url, clock, deadlineMs, handshakeDeadlineMs, keyHash } = request;
  const host = hostOf(url);
  const startedMs = clock.monotonicMs();
  let lookedUpMs = startedMs;
  let finished = false;
  let secured: TLSSocket | undefined;

  const wire = connect({ host, port: portOf(url), noDelay: true });
  const finish = (failure: ConnectFailure | undefined) => {
    if (finished) return;
    finished = true;
    cancelDeadline();
    if (failure !== undefined) secured?.destroy();
    if (failure !== undefined) wire.destroy();
    secured?.off('error', onError);
    // Whoever takes the socket listens for errors; until then, and after a failure, one must not end the process.
    secured?.on('error', () => {});
    done(failure, failure === undefined ? secured : undefined);
  };
  const onError = (error: Error) => finish(connectFailure(error));
  wire.on('error', onError);
  wire.once('lookup', () => {
    lookedUpMs = clock.monotonicMs();
  });
  wire.once('connect', () => {
    request.onRoundTrip?.(clock.monotonicMs() - lookedUpMs);
    if (finished) return;
    if (handshakeDeadlineMs !== undefined) {
      cancelDeadline();
      cancelDeadline = clock.after(handshakeDeadlineMs, () => late(handshakeDeadlineMs));
    }
    try {
      shakeHands(request.credentials());
    } catch (error) {
      finish(new ConnectFailure('tls', `this device's certificate or key cannot be used (${errorCode(error)})`));
    }
  });
  const shakeHands = (credentials: TlsCredentials) => {
    const excused = excusedAt(clock.nowMs(), credentials);
    const socket = secure({
      ...{ socket: wire, host },
      ...(isIP(host) === 0 && { servername: host }),
      secureContext: credentials.context,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: excused === undefined,
      checkServerIdentity,
    });
    secured = socket;
    socket.on('error', onError);
    socket.once('close', () => finish(new ConnectFailure('reset', 'the connection was closed during the handshake')));
    socket.once('secureConnect', () => finish(verifyPeer(socket, host, credentials, keyHash, excused)));
  };
  const late = (ms: number) => finish(new ConnectFailure('timeout', `no connection within ${Math.round(ms)} ms`));
  let cancelDeadline = clock.after(deadlineMs, () => late(deadlineMs));
  return () => finish(new ConnectFailure('aborted', 'given up'));
}

const HTTPS_PORT = 443;

/**
 * For a TLS handshake, once a host has answered: 5,000 devices that come at once are connected after 7 to 11 s on two cores, at the
 * barest; a server has more to do with each.
 * Nobody waits that long: what is in a person's way has deadlines of its own.
 */
export const HANDSHAKE_DEADLINE_MS = 10_000;

/**
 * A device by whose clock its own certificate does not hold has most likely lost its time, and must reach a server to learn
 * it: for it alone the dates of others' certificates say nothing (ADR 0021). What OpenSSL then says of a right certificate;
 * undefined: the clock is believed.
 */
function excusedAt(nowMs: number, { validity }: TlsCredentials): string | undefined {
  if (nowMs < validity.fromMs) return 'CERT_NOT_YET_VALID';
  return nowMs > validity.untilMs ? 'CERT_HAS_EXPIRED' : undefined;
}

const EKU_SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

function verifyPeer(
  socket: TLSSocket,
  host: string,
  credentials: TlsCredentials,
  keyHash: string | undefined,
  excused: string | undefined,
): ConnectFailure | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return new ConnectFailure('tls', 'the server showed no certificate');
  if (!socket.authorized) {
    const code = String(socket.authorizationError);
    if (code !== excused || !fitsButForDates(socket, certificate, host, credentials)) {
      return new ConnectFailure('tls', `the server's certificate was refused (${code})`);
    }
  }
  if (keyHash !== undefined && certificateKeyHash(certificate) !== keyHash) {
    return new ConnectFailure('not_in_statement', "the server's key is not the one in the site statement");
  }
  return undefined;
}

/** OpenSSL reports one error of several: what else it checks is checked again here. */
function fitsButForDates(
  socket: TLSSocket,
  certificate: X509Certificate,
  host: string,
  { caCertificates }: TlsCredentials,
): boolean {
  const named = isIP(host) === 0 ? certificate.checkHost(host, { wildcards: false }) : certificate.checkIP(host);
  const cas = caCertificates.map(pem => new X509Certificate(pem));
  const isOf = (issued: X509Certificate, issuers: readonly X509Certificate[]) =>
    issuers.some(ca => issued.checkIssued(ca) && issued.verify(ca.publicKey));
  const signed =
    isOf(certificate, cas) ||
    isOf(
      certificate,
      bridgesOf(socket).filter(bridge => isOf(bridge, cas)),
    );
  return named !== undefined && signed && !certificate.ca && (certificate.keyUsage ?? []).includes(EKU_SERVER_AUTH);
}

/** While the site changes its CA, a server shows the new one certified by the old one: both have one name. */
function bridgesOf(socket: TLSSocket): readonly X509Certificate[] {
  const raw = socket.getPeerCertificate(true).issuerCertificate?.raw;
  const issuer = raw === undefined ? undefined : new X509Certificate(raw);
  return issuer?.ca === true && issuer.subject === issuer.issuer ? [issuer] : [];
}

export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

export function portOf(url: URL): number {
  return url.port === '' ? HTTPS_PORT : Number(url.port);
}

/** Errors of name lookup and of TCP, by their code. */
const REASONS: Readonly<Record<string, FailureReason>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  EAI_FAIL: 'name_not_found',
  EAI_NODATA: 'name_not_found',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  ENOTCONN: 'reset',
};

/** The reason by the error's code; undefined: not one of the network's. */
export function networkReason(error: unknown): FailureReason | undefined {
  const code = errorCode(error);
  if (code === undefined) return undefined;
  return REASONS[code] ?? (/^ERR_(SSL|TLS)_/.test(code) || code === 'EPROTO' ? 'tls' : undefined);
}

/** What is neither the network nor the deadline before the handshake is over is the certificate. */
function connectFailure(error: Error): ConnectFailure {
  return new ConnectFailure(networkReason(error) ?? 'tls', errorCode(error) ?? error.name);
}
