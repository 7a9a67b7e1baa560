import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import {
  DEVICE_CERTIFICATE_LIFETIME_MS,
  type RenewAnswer,
  renewalDueAtMs,
  type SiteStatement,
  type StatementServer,
} from '@thinman/protocol';
import pRetry from 'p-retry';
import type { Answer, Clock, DeviceIdentity, Random, ServerClient, StatementVerifier } from '../ports.ts';
import { casOf, createCsr, isCertificateFor, issuerOf } from './device-key.ts';

/** A due date is months away, but clocks are set and machines sleep: looked at every 10 minutes, ± 50 %. */
const LOOK_EVERY_MS = 10 * 60_000;
const LOOK_SPREAD = 0.5;
/** A start belongs to the person who waits for a login: the first look comes within this, unless the certificate has expired. */
const FIRST_LOOK_WITHIN_MS = 60_000;
/** The site has changed its CA: 2,000 devices that renew within this ask the Primary for three certificates a second. */
const NEW_CA_WITHIN_MS = 10 * 60_000;
/** Under a clock that is wrong every certificate looks due: no second one within a day of this process. */
const NOT_AGAIN_WITHIN_MS = 24 * 3_600_000;
/** One attempt, connection included; nobody waits for it. */
const ATTEMPT_DEADLINE_MS = 30_000;
/** 10, 20, 40, 80, 160 s, each up to twice as long by jitter: a restart of the Primary is outlasted. */
const FIRST_RETRY_MS = 10_000;
const RETRIES = 5;

/** A certificate that was issued to this device. Times in Unix ms. */
export type Renewed = {
  readonly certificate: string;
  /** The CAs that came with it and that the site has signed for; held ones too. */
  readonly caCertificates: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** The one before was not valid any more: no server took this device. */
  readonly hadExpired: boolean;
};

export type RenewalOptions = {
  readonly client: Pick<ServerClient, 'renew'>;
  /** Read again for every attempt. */
  readonly identity: () => DeviceIdentity;
  /** The Primary by the newest statement: it alone issues. */
  readonly primary: () => StatementServer | undefined;
  /** The newest that is valid. */
  readonly statement: () => SiteStatement;
  readonly verifyStatement: StatementVerifier;
  /** Writes it down and uses it from now on. */
  readonly keep: (renewed: Renewed) => void;
  readonly clock: Clock;
  /** Unix ms, as trusted as the device has it. */
  readonly nowMs: () => number;
  readonly random: Random;
  readonly onDefect: (error: unknown) => void;
  /** p-retry has timers of its own. */
  readonly firstRetryMs?: number;
};

export type Renewal = {
  /** Looks whether the certificate is due: soon, or at once if it has expired. At start, and after a wake-up. */
  look(): void;
  /** Looks in a while of its own: the site may have changed its CA. */
  lookLater(): void;
  /** Ends what is under way; nothing is kept afterwards. */
  stop(): Promise<void>;
};

/** Renews the device's certificate in the background, in time; the key stays. Never in the path of a login. */
export function createRenewal(options: RenewalOptions): Renewal {
  const { clock, random, identity } = options;
  const stopping = new AbortController();
  let cancelLook = () => {};
  let round: Promise<void> | undefined;
  let notBeforeMs = Number.NEGATIVE_INFINITY;

  const expiresAtMs = () => expiryOf(identity().certificate);
  const isDueByDate = () => {
    const { certificateIssuedAtMs: issuedAtMs, keyHash } = identity();
    const times = { issuedAtMs, expiresAtMs: expiresAtMs() };
    const dueAtMs = renewalDueAtMs(times, DEVICE_CERTIFICATE_LIFETIME_MS, drawOf(keyHash));
    return clock.monotonicMs() >= notBeforeMs && options.nowMs() >= dueAtMs;
  };
  /** Another CA issues now, and this device trusts it already. */
  const isOfOldCa = () => {
    const { certificate, caCertificates } = identity();
    const issuing = casOf(options.statement().caPins.slice(0, 1), caCertificates);
    return issuing.length > 0 && issuerOf(certificate, issuing) === undefined;
  };

  function lookAfter(delayMs: number): void {
    cancelLook();
    if (!stopping.signal.aborted) cancelLook = clock.after(delayMs, lookNow);
  }

  function lookNow(): void {
    if (round !== undefined || !(isDueByDate() || isOfOldCa())) return lookAgain();
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
      // Nothing was renewed: the certificate holds for another third, and the next look tries again.
      if (!signal.aborted && !(error instanceof NotRenewed)) options.onDefect(error);
    }
  }

  async function renewOnce(): Promise<void> {
    const { privateKey, deviceId, caCertificates } = identity();
    const primary = options.primary();
    if (primary === undefined) throw new NotRenewed('the statement names no Primary', true);
    // p-retry's signal ends no attempt that is running.
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(ATTEMPT_DEADLINE_MS)]);
    const answer = await options.client.renew(primary, createCsr(privateKey, deviceId), signal);
    stopping.signal.throwIfAborted();
    if (answer.kind !== 'ok') throw notRenewed(answer);
    const { certificate } = answer.value;
    const trusted = [...caCertificates, ...vouchedFor(answer.value, caCertificates)];
    if (!isCertificateFor(certificate, createPrivateKey(privateKey), trusted))
      throw new NotRenewed('the certificate does not fit the key of this device', false);
    const issuedAtMs = options.nowMs();
    const hadExpired = expiresAtMs() <= issuedAtMs;
    options.keep({ certificate, caCertificates: trusted, issuedAtMs, expiresAtMs: expiryOf(certificate), hadExpired });
  }

  /** A device that could not come on line while the CA was changed learns of it here; the statement says what to believe. */
  function vouchedFor({ caCertificates, statement: signed }: RenewAnswer, held: readonly string[]): readonly string[] {
    const statement = signed && options.verifyStatement(signed);
    const isHeld = (pin: string) => casOf([pin], held).length > 0;
    const news = statement?.caPins.filter(pin => !isHeld(pin)) ?? [];
    return casOf(news, caCertificates);
  }

  return {
    lookLater: () => lookAfter(NEW_CA_WITHIN_MS * random()),
    look: () => lookAfter(expiresAtMs() <= options.nowMs() ? 0 : FIRST_LOOK_WITHIN_MS * random()),
    async stop() {
      stopping.abort();
      cancelLook();
      await round;
    },
  };
}

/** No certificate came of an attempt. `mayPass`: the same request has a chance in a while. */
class NotRenewed extends Error {
  override readonly name = 'NotRenewed';
  readonly mayPass: boolean;
  constructor(message: string, mayPass: boolean) {
    super(message);
    this.mayPass = mayPass;
  }
}

const HTTP_SERVER_ERRORS = 500;

/** A refusal of this device stays one; a server that cannot, or is the Primary no more, is a matter of time. */
function notRenewed(answer: Exclude<Answer<unknown>, { readonly kind: 'ok' }>): NotRenewed {
  if (answer.kind === 'failed') return new NotRenewed(answer.detail, true);
  const { code, status } = answer.problem;
  return new NotRenewed(code, status >= HTTP_SERVER_ERRORS || code === 'not_primary');
}

function expiryOf(certificate: string): number {
  return new X509Certificate(certificate).validToDate.getTime();
}

const DRAW_BITS = 32;

/** A device's own place in [0, 1), from its random key. */
function drawOf(keyHash: string): number {
  return createHash('sha256').update(keyHash).digest().readUInt32BE() / 2 ** DRAW_BITS;
}
