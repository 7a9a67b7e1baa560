import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { getCACertificates } from 'node:tls';
import { errorCode } from '../error-code.ts';
import type { FilePart } from '../ports.ts';

const OK = 200;
const PARTIAL = 206;
const RANGE_NOT_SATISFIABLE = 416;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** As many as curl's users put up with; browsers follow 20. */
const MAX_REDIRECTS = 5;
/** Without a byte: a line that is merely slow has a few each second. */
export const STALL_MS = 15_000;

export type UrlDownloadOptions = {
  readonly signal: AbortSignal;
  readonly stallMs?: number;
  /** PEM; default: what Node and this machine trust. */
  readonly ca?: readonly string[] | undefined;
};

/**
 * What lies at an `https:` URL, from a byte on; all of it where the other side knows no ranges. Redirects are followed to `https:`
 * alone: whoever they lead to, the content is held against its hash. Throws what a person can do something with.
 */
export async function* downloadUrl(
  url: string,
  from: number,
  { signal, stallMs = STALL_MS, ca }: UrlDownloadOptions,
): AsyncGenerator<FilePart> {
  const { host } = new URL(url);
  let at = from;
  let isStuck = false;
  const onStall = () => {
    isStuck = true;
  };
  try {
    const response = await answerOf(new URL(url), from, { signal, stallMs, ca: ca ?? trusted(), onStall });
    at = startOf(response, from);
    for await (const chunk of response) {
      const bytes = chunk as Uint8Array;
      yield { from: at, bytes };
      at += bytes.length;
    }
  } catch (error) {
    if (isStuck) throw new Error(`${host} has sent nothing for ${stallMs / 1000} s, after ${at} bytes`);
    if (signal.aborted) throw new Error(`${host} was cut off after ${at} bytes`);
    throw errorCode(error) === 'ECONNRESET' ? new Error(`${host} hung up after ${at} bytes`) : error;
  }
}

type Asking = {
  readonly signal: AbortSignal;
  readonly stallMs: number;
  readonly ca: readonly string[];
  readonly onStall: () => void;
};

async function answerOf(first: URL, from: number, asking: Asking): Promise<IncomingMessage> {
  let url = first;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await ask(url, from, asking);
    const { statusCode = 0, headers } = response;
    if (statusCode === OK || statusCode === PARTIAL) return response;
    response.destroy();
    if (!REDIRECTS.includes(statusCode) || headers.location === undefined) throw refusalOf(url, statusCode);
    const next = URL.canParse(headers.location, url) ? new URL(headers.location, url) : undefined;
    if (next?.protocol !== 'https:') {
      throw new Error(
        `${url.host} leads to what is not https (${statusCode}): give the File a url that needs no such step`,
      );
    }
    url = next;
  }
  throw new Error(`${first.host} leads on more than ${MAX_REDIRECTS} times: give the File the last url`);
}

async function ask(url: URL, from: number, { signal, stallMs, ca, onStall }: Asking): Promise<IncomingMessage> {
  const sent = request(url, {
    ...{ signal, ca: [...ca], timeout: stallMs },
    // Compressed, its bytes would be others.
    headers: { 'accept-encoding': 'identity', ...(from === 0 ? {} : { range: `bytes=${from}-` }) },
  });
  const answer = once(sent, 'response');
  // Also after the head has come: the body's reader is told then.
  sent.on('error', () => {});
  sent.on('timeout', () => {
    onStall();
    sent.destroy();
  });
  sent.end();
  try {
    const [response] = (await answer) as [IncomingMessage];
    return response;
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || signal.aborted) throw error;
    throw new Error(`${url.host} cannot be reached (${code})${CERTIFICATE.test(code) ? NOT_TRUSTED : ''}`);
  }
}

/** How OpenSSL names what is wrong with a certificate. */
const CERTIFICATE = /CERT|SIGNATURE|ISSUER/;
const NOT_TRUSTED = ': this device does not trust its certificate';

/** Where the answer begins. A part that was not asked for is none: bytes would be put together that do not belong together. */
function startOf({ statusCode, headers, socket }: IncomingMessage, from: number): number {
  if (statusCode !== PARTIAL) return 0;
  const [, start] = /^bytes (\d{1,16})-/.exec(headers['content-range'] ?? '') ?? [];
  if (start !== undefined && Number(start) === from) return from;
  socket.destroy();
  throw new Error('another part has come than was asked for');
}

function refusalOf({ host }: URL, status: number): Error {
  if (status === RANGE_NOT_SATISFIABLE) return new Error(`${host} has fewer bytes than the File says (${status})`);
  return new Error(`${host} answers ${status}: look whether the url of the File is right`);
}

let known: readonly string[] | undefined;

/** Node's own list, and this machine's: a hospital's web server has a certificate of the hospital's CA. Read when first needed. */
function trusted(): readonly string[] {
  known ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return known;
}
