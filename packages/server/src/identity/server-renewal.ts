import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { type CertificateFacts, renewalDueAtMs } from '@thinman/protocol';
import pRetry from 'p-retry';
import type { Clock, ServerIdentity } from '../ports.ts';
import { SERVER_CERTIFICATE_LIFETIME_MS } from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { certificateFacts } from './pins.ts';

/** A due date is months away, but clocks are set and hosts are suspended: looked at every 10 minutes, ± 50 %. */
const LOOK_EVERY_MS = 10 * 60_000;
const LOOK_SPREAD = 0.5;
/** After a start, and when the CA was changed: within this, so that the servers of a site do not do it at once. */
const SOON_MS = 60_000;
/** Under a clock that is wrong every certificate looks due: no second one within a day of this process. */
const NOT_AGAIN_WITHIN_MS = 24 * 3_600_000;
/** One attempt of a Secondary, connection included. */
const ATTEMPT_DEADLINE_MS = 30_000;
/** 10, 20, 40, 80, 160 s, each up to twice as long by jitter: a restart of the Primary is outlasted. */
const FIRST_RETRY_MS = 10_000;
const RETRIES = 5;

/** What became of one request for a certificate. `mayPass`: the same request has a chance in a while. */
export type Issued =
  | { readonly kind: 'issued'; readonly certificate: string }
  | { readonly kind: 'not_issued'; readonly why: string; readonly mayPass: boolean };

export type ServerRenewalOptions = {
  /** As it is now, whenever it is read. */
  readonly identity: ServerIdentity;
  /** Pin of the CA that issues now, by the newest statement. */
  readonly issuingPin: () => string | undefined;
  readonly issue: (csr: string, signal: AbortSignal) => Promise<Issued>;
  /** Writes it down and uses it from now on. */
  readonly keep: (certificatePem: string, facts: CertificateFacts) => void;
  readonly clock: Clock;
  /** A draw from [0, 1). */
  readonly random: () => number;
  /** Nothing was renewed; the next look tries again. */
  readonly onTrouble: (error: unknown) => void;
  /** p-retry has timers of its own. */
  readonly firstRetryMs?: number;
};

export type ServerRenewal = {
  /** Looks soon whether the certificate is due; at once if it has expired. At start, and when the CA may have changed. */
  look(): void;
  /** Ends what is under way; nothing is kept afterwards. */
  stop(): Promise<void>;
};

/** Renews this server's TLS certificate in the background, in time; the key stays. As devices do (`agent`, `renewal.ts`). */
export function createServerRenewal(options: ServerRenewalOptions): ServerRenewal {
  const { identity, clock, random } = options;
  const stopping = new AbortController();
  let cancelLook = () => {};
  let round: Promise<void> | undefined;
  let notBeforeMs = Number.NEGATIVE_INFINITY;

  const factsNow = () => certificateFacts(identity.tls.certificatePem, identity.caCertificates);
  const expiresAtMs = () => new X509Certificate(identity.tls.certificatePem).validToDate.getTime();
  const isOfOldCa = () => {
    const issuing = options.issuingPin();
    return issuing !== undefined && factsNow()?.issuer !== issuing;
  };
  const isDueByDate = () => {
    const times = { issuedAtMs: undefined, expiresAtMs: expiresAtMs() };
    const dueAtMs = renewalDueAtMs(times, SERVER_CERTIFICATE_LIFETIME_MS, drawOf(identity.keyHash));
    return clock.monotonicMs() >= notBeforeMs && clock.nowMs() >= dueAtMs;
  };

  function lookAfter(delayMs: number): void {
    cancelLook();
    if (!stopping.signal.aborted) cancelLook = clock.after(delayMs, lookNow);
  }

  function lookNow(): void {
    if (round !== undefined || !(isOfOldCa() || isDueByDate())) return lookAgain();
    round = renewWithRetries().finally(() => {
      round = undefined;
      lookAgain();
    });
  }

  const lookAgain = () => lookAfter(LOOK_EVERY_MS * (1 - LOOK_SPREAD + 2 * LOOK_SPREAD * random()));

  async function renewWithRetries(): Promise<void> {
    const { signal } = stopping;
    try {
      await pRetry(renewOnce, {
        retries: RETRIES,
        minTimeout: options.firstRetryMs ?? FIRST_RETRY_MS,
        factor: 2,
        // No `maxTimeout`: p-retry cuts the jitter off with it.
        randomize: true,
        signal,
        shouldRetry: ({ error }) => error instanceof NotRenewed && error.mayPass,
      });
      notBeforeMs = clock.monotonicMs() + NOT_AGAIN_WITHIN_MS;
    } catch (error) {
      if (!signal.aborted) options.onTrouble(error);
    }
  }

  async function renewOnce(): Promise<void> {
    const key = createPrivateKey(identity.tls.keyPem);
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(ATTEMPT_DEADLINE_MS)]);
    const issued = await options.issue(await createCsr(key), signal);
    stopping.signal.throwIfAborted();
    if (issued.kind === 'not_issued') throw new NotRenewed(issued.why, issued.mayPass);
    const { certificate } = issued;
    const facts = certificateFacts(certificate, identity.caCertificates);
    // A CA that this server has not heard of yet will be in its replica soon.
    if (facts === undefined) throw new NotRenewed('the new certificate is of no CA that this server trusts', true);
    if (!new X509Certificate(certificate).checkPrivateKey(key)) {
      throw new NotRenewed('the new certificate is for another key', false);
    }
    options.keep(certificate, facts);
  }

  return {
    look: () => lookAfter(expiresAtMs() <= clock.nowMs() ? 0 : SOON_MS * random()),
    async stop() {
      stopping.abort();
      cancelLook();
      await round;
    },
  };
}

/** No certificate came of an attempt. */
class NotRenewed extends Error {
  override readonly name = 'NotRenewed';
  readonly mayPass: boolean;
  constructor(message: string, mayPass: boolean) {
    super(message);
    this.mayPass = mayPass;
  }
}

const DRAW_BITS = 32;

/** A server's own place in [0, 1), from its random key. */
function drawOf(keyHash: string): number {
  return createHash('sha256').update(keyHash).digest().readUInt32BE() / 2 ** DRAW_BITS;
}
